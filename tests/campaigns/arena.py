# SPDX-License-Identifier: Apache-2.0
"""Where trials are held: a child does one operation, a tracer strikes, we look after.

What is asked after every strike, from the outside: are the processes of the dead
caller gone, can every state file be read or is there none, does one ``recover`` and
one ``delete`` take all of it away, is a second ``delete`` told that there is nothing,
is the inventory of the machine as before, can the same id be made and run again?
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import libcontainer as lc
from libcontainer.security.seccomp.table import TABLE
from tests import leaks
from tests.campaigns import trial

HERE = Path(__file__).resolve().parent
NUMBERS = {
    int(fields[1]): fields[0]
    for line in TABLE.splitlines()
    if (fields := line.split())[1] != "-"
}


@dataclass(frozen=True)
class Strike:
    """What goes wrong: the *ordinal*-th call of a process, in a way.

    Attributes:
        process: 0 is the caller, 1 the helper, 2 what it clones; -1 all of them.
        ordinal: from 1; 0 with a *number* is every call of that number.
        action: ``kill``, ``stop``, ``short``, or an errno.
        number: of the calls that fail, with ordinal 0.
    """

    process: int
    ordinal: int
    action: str
    number: int = -1

    def arguments(self) -> list[str]:
        """Return the words for the tracer."""
        words = ["-q", str(self.process), "-n", str(self.ordinal), "-a", self.action]
        return [*words, "-x", str(self.number)] if self.ordinal == 0 else words


@dataclass
class Result:
    """What became of a trial.

    Attributes:
        outcome: what the caller told; empty if it was killed.
        struck: the name of the call that was struck, or None.
        seconds: how long it took.
        hung: whether it had to be ended.
        calls: of a trial without a strike: (process, name) of each.
    """

    outcome: dict[str, Any] = field(default_factory=dict)
    struck: str | None = None
    seconds: float = 0.0
    hung: bool = False
    calls: list[tuple[int, str]] = field(default_factory=list)


def build_tracer(folder: Path) -> Path:
    """Compile the tracer."""
    program = folder / "inject"
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["gcc", *flags, "-o", program, HERE / "inject.c"], check=True)
    return program


def build_rootfs(folder: Path) -> Path:
    """Make a root filesystem: static busybox and the program that tells all."""
    rootfs = folder / "rootfs"
    for name in ("bin", "dev", "etc", "mnt", "proc", "root", "sys", "tmp"):
        (rootfs / name).mkdir(parents=True)
    shutil.copy(str(shutil.which("busybox")), rootfs / "bin" / "busybox")
    for name in ("sh", "sleep", "true", "cat", "yes"):
        (rootfs / "bin" / name).symlink_to("busybox")
    (rootfs / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (rootfs / "etc" / "group").write_text("root:x:0:\n")
    source = HERE.parent / "native" / "test_init.c"
    flags = ["-std=c11", "-O1", "-static"]
    target = rootfs / "test_init"
    subprocess.run(["gcc", *flags, "-o", target, source], check=True)
    for path in (folder, rootfs):
        path.chmod(0o755)
    return rootfs


class Arena:
    """The directories, the tracer, and what the machine looks like at rest."""

    def __init__(self, folder: Path) -> None:
        self.tracer = build_tracer(folder)
        self.rootfs = build_rootfs(folder)
        self.root = folder / "state"
        self.root.mkdir(mode=0o700)
        self.factory = lc.Factory(self.root)
        self._warm()
        self.before = leaks.take([self.root], [folder])
        self._folder = folder

    def _warm(self) -> None:
        """Load in here, once, whatever the trials' processes will need."""
        for kind in trial.KINDS:
            for command in trial.COMMANDS:
                one = self.make(kind)
                one.set_up(command)
                one.operate(command)
                one.clean()
                one.factory.close()
        # The template of a factory is made at its second launch.
        for _ in range(3):
            self._again()

    def make(self, kind: str) -> trial.Trial:
        """Return a trial in the arena's root."""
        return trial.Trial(str(self.root), str(self.rootfs), kind)

    # -- before

    def attempt(self, command: str, kind: str, strike: Strike | None) -> Result:
        """Hold one trial."""

        def body() -> dict[str, Any]:
            return trial.perform(self.make(kind), command)

        words = strike.arguments() if strike else ["-l"]
        return self._traced(body, words)

    def _traced(self, body: Callable[[], dict[str, Any]], words: list[str]) -> Result:
        told, telling = os.pipe()
        gate, opening = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(told)
            os.close(opening)
            trial.in_child(body, telling, gate)
        os.close(telling)
        os.close(gate)
        begun = time.monotonic()
        tracer = subprocess.Popen(
            [self.tracer, *words, str(child)], stdout=subprocess.PIPE, bufsize=0
        )
        assert tracer.stdout is not None
        said = tracer.stdout.read(6)
        os.write(opening, b"x")
        os.close(opening)
        result = Result()
        data, result.hung = _read_until_end(
            [tracer.stdout.fileno(), told], begun + trial.HANG_SECONDS
        )
        if result.hung:
            _end(child)
            tracer.kill()
        tracer.wait()
        tracer.stdout.close()
        os.close(told)
        os.waitpid(child, 0)
        result.seconds = time.monotonic() - begun
        _fill(result, said + data[0], b"" if result.hung else data[1])
        return result

    def untraced(self, body: Callable[[], dict[str, Any]]) -> Result:
        """Hold one trial that harms itself."""
        told, telling = os.pipe()
        gate, opening = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(told)
            os.close(opening)
            trial.in_child(body, telling, gate)
        for fd in (telling, gate, opening):
            os.close(fd)
        begun = time.monotonic()
        data, hung = _read_until_end([told], begun + trial.HANG_SECONDS)
        if hung:
            _end(child)
        os.close(told)
        os.waitpid(child, 0)
        outcome = json.loads(data[0]) if data[0] and not hung else {}
        seconds = time.monotonic() - begun
        return Result(outcome, None, seconds, hung)

    # -- after

    def check(self, result: Result, *, again: bool = True) -> list[str]:
        """Look at what is left, and take it away; return what is wrong.

        Args:
            result: of the trial.
            again: whether the same id can be expected to be made once more.
        """
        wrong = ["hung"] if result.hung else []
        wrong += [f"in the caller: {w}" for w in _complaints(result.outcome)]
        wrong += self._removed()
        complaints = leaks.settled(self.before, [self.root], [self._folder], 3.0)
        wrong += [f"left: {line}" for line in complaints]
        if complaints:
            self.remember()
        return wrong + self._again() if again else wrong

    def remember(self) -> None:
        """Take what is there now for what is there at rest."""
        self.before = leaks.take([self.root], [self._folder])

    def _removed(self) -> list[str]:
        wrong = []
        try:
            self.factory.recover()
            names = [n for n in os.listdir(self.root) if not n.startswith(",")]
            seen = {container.id for container in self.factory}
            wrong += [f"unreadable: {name}" for name in names if name not in seen]
            for container in self.factory:
                container.state()
                container.delete(force=True)
                wrong += _deleted_again(container)
        except (lc.LibcontainerError, OSError) as error:
            wrong.append(f"not removed: {type(error).__name__}: {error}")
        wrong += [f"left in the root: {name}" for name in os.listdir(self.root)]
        for name in os.listdir(self.root):
            shutil.rmtree(self.root / name, ignore_errors=True)
        return wrong

    def _again(self) -> list[str]:
        config = trial.config_of(str(self.rootfs), "plain")
        try:
            with self.factory.create(trial.NAME, config) as container:
                handle = container.run(lc.Process(["sh", "-c", "exit 7"]))
                code = handle.wait(10).code
                handle.close()
        except (lc.LibcontainerError, OSError) as error:
            return [f"not made again: {type(error).__name__}: {error}"]
        return [] if code == 7 else [f"made again, ended with {code}"]


def _deleted_again(container: lc.Container) -> list[str]:
    try:
        container.delete()
    except lc.ContainerNotFoundError:
        return []
    return ["deleted twice"]


def _complaints(outcome: dict[str, Any]) -> list[str]:
    wrong = []
    if "broken" in outcome:
        wrong.append(f"the trial broke: {outcome['broken']}")
    if outcome.get("stray"):
        wrong.append(f"{outcome['stray']} children are left")
    if outcome.get("fds", 0) > 0:
        wrong.append(f"{outcome['fds']} descriptors are left")
    if "uncleaned" in outcome:
        wrong.append(f"not deleted: {outcome['uncleaned']}")
    return wrong


def _read_until_end(fds: list[int], deadline: float) -> tuple[list[bytes], bool]:
    """Read all of them to their ends; tell whether the time was up before."""
    data = dict.fromkeys(fds, b"")
    left = set(fds)
    while left:
        ready, _, _ = select.select(left, [], [], max(0, deadline - time.monotonic()))
        if not ready:
            return [data[fd] for fd in fds], True
        for fd in ready:
            chunk = os.read(fd, 1 << 16)
            data[fd] += chunk
            if not chunk:
                left.discard(fd)
    return [data[fd] for fd in fds], False


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _fill(result: Result, said: bytes, told: bytes) -> None:
    result.outcome = json.loads(told) if told else {}
    for line in said.decode().splitlines():
        words = line.split()
        if words[0] == "hit":
            result.struck = NUMBERS.get(int(words[2]), words[2])
        elif words[0].isdigit():
            number = int(words[1])
            result.calls.append((int(words[0]), NUMBERS.get(number, words[1])))
