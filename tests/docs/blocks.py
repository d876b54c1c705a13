# SPDX-License-Identifier: Apache-2.0
"""The blocks of a page: what runs, and what it should print.

The word behind the fence says what a block is:

- ``python``: a whole program. What it prints is the block without a word below it.
- ``console``: commands after ``$``, each with what a terminal shows of it.
- ``sh``: commands that succeed, whatever they print.
- ``text`` and the names of file formats: nothing that runs.

Where a block runs is the test's choice: here, or behind the words of a `Place`.

``...`` in an output stands for any text. A comment right before the fence says more:
``<!-- needs: WORDS -->`` what the block needs of the machine (`tests/capabilities.py`),
``<!-- typed: TEXT -->`` that it runs at a terminal, and what is typed there.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass, replace
from pathlib import Path

from tests import capabilities

COMMENT = re.compile(r"<!-- (needs|typed): (.*) -->\n\Z")
FENCE = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
RUNNABLE = ("python", "console", "sh")
FORMATS = ("text", "json", "toml", "yaml", "ini")
# A new operation, or a kernel with another file to mask, moves every later step.
STEP = re.compile(r"step \d+/\d+")
MARK = "--- next command ---"


@dataclass(frozen=True)
class Block:
    """A block that runs: its word, its text, what it prints, its line in the page."""

    word: str
    text: str
    output: str
    line: int
    needs: tuple[str, ...] = ()
    typed: str = ""


@dataclass(frozen=True)
class Place:
    """Where and how a block runs.

    Attributes:
        folder: of this machine.
        prefix: words that run a command somewhere else; they see to its folder.
        silent: whether a program that writes to stderr is wrong.
    """

    folder: Path
    prefix: tuple[str, ...] = ()
    silent: bool = True


def fences(page: str) -> list[tuple[str, str, int, bool]]:
    """Return word, text, line and "follows directly" of each block of a page."""
    found = []
    end = -1
    for match in FENCE.finditer(page):
        line = page.count("\n", 0, match.start()) + 1
        follows = end >= 0 and not page[end : match.start()].strip()
        found.append((match[1], match[2], line, follows))
        end = match.end()
    return found


def runnable(page: str) -> list[Block]:
    """Return the blocks of a page that run, in their order."""
    blocks: list[Block] = []
    before = ""
    lines = page.splitlines(keepends=True)
    for word, text, line, follows in fences(page):
        if word in RUNNABLE:
            said = COMMENT.search("".join(lines[max(line - 2, 0) : line - 1]))
            more = {} if said is None else {said[1]: said[2]}
            needs = tuple(more.get("needs", "").split())
            blocks.append(Block(word, text, "", line, needs, more.get("typed", "")))
        elif word == "" and follows and before == "python":
            blocks.append(replace(blocks.pop(), output=text))
        before = word
    return blocks


def strays(page: str) -> list[str]:
    """Return the blocks that neither run nor say what they are."""
    wrong = []
    before = ""
    for word, text, line, follows in fences(page):
        is_output = word == "" and follows and before == "python"
        is_known = word in (*RUNNABLE, *FORMATS) or word.startswith("{")
        if not is_output and not is_known:
            wrong.append(f"{line}: {word!r} {text.partition(chr(10))[0]!r}")
        before = word
    return wrong


def _dialogue(text: str) -> list[tuple[str, str]]:
    """Return each command of a ``console`` block with what it prints."""
    pairs: list[tuple[str, str]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            pairs.append((line[2:], ""))
        elif line.startswith("> "):
            command, _ = pairs.pop()
            pairs.append((f"{command}\n{line[2:]}", ""))
        else:
            command, output = pairs.pop()
            pairs.append((command, f"{output}{line}\n"))
    return pairs


def _run(
    words: list[str], place: Place, stderr: int
) -> subprocess.CompletedProcess[str]:
    criu = capabilities.working_criu()
    more = [] if criu is None else [str(Path(criu).parent)]
    environment = {
        "PATH": ":".join([str(Path(sys.executable).parent), *more, os.environ["PATH"]]),
        "HOME": str(place.folder),
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "80",
    }
    return subprocess.run(
        [*place.prefix, *words],
        cwd=place.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        check=False,
        timeout=120,
    )


def _differs(output: str, wanted: str) -> bool:
    """Tell whether *output* is something else than the page says."""
    parts = [re.escape(part) for part in STEP.sub("step", wanted).split("...")]
    return re.fullmatch(".*".join(parts), STEP.sub("step", output), re.DOTALL) is None


def _type(words: list[str], place: Place, text: str) -> tuple[int, str]:
    """Run a program at a terminal of its own, type a line; return what is seen."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    inner = ["setsid", "--ctty", "--wait", *words]
    process = subprocess.Popen(
        [*place.prefix, *inner],
        cwd=place.folder,
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    seen, typed = b"", False
    while True:
        # As people do, after the prompt; a program without one has its line anyway.
        at_prompt = seen.endswith((b"# ", b"$ "))
        if not typed and (at_prompt or not select.select([master], [], [], 20)[0]):
            os.write(master, f"{text}\n".encode())
            typed = True
        try:
            data = os.read(master, 4096)
        except OSError:  # the end of a terminal is EIO
            data = b""
        if not data:
            break
        seen += data
    os.close(master)
    return process.wait(60), seen.decode().replace("\r\n", "\n")


def failure(block: Block, where: Path | Place) -> str | None:
    """Run *block*, in a folder or a place; return what went wrong, or None."""
    place = where if isinstance(where, Place) else Place(where)
    if block.word == "python":
        warnings = ["-W", "error"] if place.silent else []
        words = [sys.executable, *warnings, "-c", block.text]
        if block.typed:
            code, seen = _type(words, place, block.typed)
            wrong = code or _differs(seen, block.output)
            return f"{block.line}: [{code}]\n{seen}" if wrong else None
        done = _run(words, place, subprocess.PIPE)
        loud = place.silent and done.stderr
        if done.returncode or loud or _differs(done.stdout, block.output):
            return f"{block.line}: [{done.returncode}]\n{done.stdout}{done.stderr}"
        return None
    if block.word == "sh":
        done = _run(["bash", "-e", "-c", block.text], place, subprocess.STDOUT)
        return f"{block.line}: {done.stdout}" if done.returncode else None
    pairs = _dialogue(block.text)
    script = "\n".join(
        f"{command}\nkept=$?; echo '{MARK}'; (exit $kept)" for command, _ in pairs
    )
    done = _run(["bash", "-c", script], place, subprocess.STDOUT)
    outputs = done.stdout.split(f"{MARK}\n")
    for (command, wanted), output in zip(pairs, outputs, strict=False):
        if _differs(output, wanted):
            return f"{block.line}: $ {command}\n{output}"
    return None if len(outputs) == len(pairs) + 1 else f"{block.line}: it ended early"
