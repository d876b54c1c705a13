# SPDX-License-Identifier: Apache-2.0
"""Reads a command line by tables of options.

argparse would do the same, but to load it takes longer than to start a container.
What engines and scripts write is understood: ``--name VALUE``, ``--name=VALUE``,
``-n VALUE``, flags in one word (``-td``) or with a value (``--detach=true``), long
names after a single dash, options after the operands, ``--``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import SimpleNamespace as Arguments

TYPE_CHECKING = False  # not of typing, which takes its time to load
if TYPE_CHECKING:
    import argparse

    Given = Arguments | argparse.Namespace

__all__ = ["Arguments", "Command", "Option", "UsageError", "help_text", "parse"]

# As Go's strconv.ParseBool has them.
_TRUE = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}
_WIDTH = 28


class UsageError(Exception):
    """A command line that cannot be understood."""


class Option:
    """One option.

    Attributes:
        names: as they are written, the long one first.
        dest: the attribute that has its value.
        kind: ``flag``, ``text``, ``number`` or ``list`` (it may be repeated).
        what: one line of help; None hides it.
        metavar: what its value is called.
        choices: what its value may be, if that is known.
        default: its value if it is not given.
        const: the value of a flag that is given.
    """

    __slots__ = (
        *("choices", "const", "default", "dest", "kind", "metavar", "names"),
        "what",
    )

    def __init__(  # noqa: PLR0913 - a row of a table
        self,
        names: str,
        kind: str = "text",
        what: str | None = None,
        metavar: str = "VALUE",
        *,
        dest: str | None = None,
        choices: tuple[str, ...] = (),
        default: object = None,
        const: object = True,
    ) -> None:
        self.names = tuple(names.split())
        self.dest = dest or self.names[0].lstrip("-").replace("-", "_")
        self.kind = kind
        self.what = what
        self.metavar = metavar
        self.choices = choices
        self.default = False if kind == "flag" and default is None else default
        self.const = const


class Command:
    """One command: where its function is, and what it takes.

    Attributes:
        module: its module in this package, loaded when it is asked for.
        function: the name in it.
        what: one line of help.
        options: its options, or ``MODULE:NAME`` of what has them.
        operands: names of its operands; ``[NAME]`` may be left out, ``[NAME...]``
            is any number.
        rest: the name of what follows the operands as it stands, or nothing.
        failed: its exit status where it fails.
    """

    __slots__ = ("failed", "function", "module", "operands", "options", "rest", "what")

    def __init__(  # noqa: PLR0913 - a row of a table
        self,
        module: str,
        function: str,
        what: str,
        options: Sequence[Option] | str = (),
        operands: str = "",
        *,
        rest: str = "",
        failed: int = 1,
    ) -> None:
        self.module = module
        self.function = function
        self.what = what
        self.options = options
        self.operands = tuple(operands.split())
        self.rest = rest
        self.failed = failed


def parse(
    words: Sequence[str],
    options: Iterable[Option],
    *,
    operands: int,
    rest: bool,
    into: Arguments,
) -> list[str]:
    """Read options into attributes; return the operands and what follows them.

    Args:
        words: the command line.
        options: what is understood.
        operands: after how many of them everything is taken as it stands,
        rest: if it is.
        into: gets an attribute for each option that is given.

    Raises:
        UsageError: with what is wrong.
    """
    table = {name: option for option in options for name in option.names}
    found: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if rest and len(found) >= operands:
            found += [word, *words[at:]]
            break
        if word == "--":
            found += words[at:]
            break
        if word == "-" or not word.startswith("-"):
            found.append(word)
            continue
        for option, value in _read(word, table):
            if value is None:
                if at == len(words):
                    message = f"{word}: a value is needed: {option.metavar}"
                    raise UsageError(message)
                value = words[at]  # noqa: PLW2901 - the next word is its value
                at += 1
            _store(option, word, value, into)
    return found


def _read(word: str, table: dict[str, Option]) -> list[tuple[Option, str | None]]:
    """Return the options of one word; a value of None is in the next one."""
    name, equals, value = word.partition("=")
    # A long name after a single dash, as some write it, too.
    option = table.get(name) or table.get(f"-{name}")
    if option is not None:
        if equals:
            return [(option, value)]
        return [(option, "true" if option.kind == "flag" else None)]
    if word.startswith("--"):
        message = f"unknown option {name}"
        raise UsageError(message)
    return _read_letters(word, table)


def _read_letters(
    word: str, table: dict[str, Option]
) -> list[tuple[Option, str | None]]:
    found: list[tuple[Option, str | None]] = []
    for at, letter in enumerate(word[1:], start=2):
        option = table.get(f"-{letter}")
        if option is None:
            message = (
                f"unknown option -{letter}" if at > 2 else f"unknown option {word}"
            )
            raise UsageError(message)
        if option.kind != "flag":
            found.append((option, word[at:].removeprefix("=") or None))
            return found
        found.append((option, "true"))
    return found


def _store(option: Option, word: str, value: str, into: Arguments) -> None:
    name = word.partition("=")[0]
    stored: object = value
    if option.kind == "flag":
        if value not in _TRUE:
            message = f"{name} is on or off, not {value!r}"
            raise UsageError(message)
        stored = option.const if _TRUE[value] else option.default
    elif option.kind == "number":
        stored = _number(name, value)
    elif option.kind == "list":
        stored = [*(getattr(into, option.dest, None) or ()), value]
    if option.choices and value not in option.choices:
        message = f"{name} is one of {', '.join(option.choices)}, not {value!r}"
        raise UsageError(message)
    setattr(into, option.dest, stored)


def _number(name: str, value: str) -> int:
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        message = f"{name} takes a number, not {value!r}"
        raise UsageError(message)
    return int(value)


def help_text(
    program: str,
    what: str,
    usage: str,
    options: Iterable[Option],
    commands: Iterable[tuple[str, str]] = (),
) -> str:
    """Return the page that ``--help`` prints.

    Its first two lines are runc's, that of the usage is crun's: scripts look for them.
    """
    lines = ["NAME:", f"   {program} - {what}", "", f"Usage: {usage}"]
    rows = list(commands)
    if rows:
        lines += ["", "COMMANDS:", *(_line(name, text) for name, text in rows)]
    lines += ["", "OPTIONS:"]
    for option in options:
        if option.what is None:
            continue
        value = "" if option.kind == "flag" else f" {option.metavar}"
        lines.append(_line(", ".join(option.names) + value, option.what))
    lines.append(_line("--help, -h", "print this"))
    return "\n".join(lines)


def _line(left: str, right: str) -> str:
    return f"   {left:{_WIDTH}} {right}"
