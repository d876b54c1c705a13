# SPDX-License-Identifier: Apache-2.0
"""Reads a command line that is right, without argparse.

argparse takes longer to load and to be told of every command than a command takes.
The options are declared once, for argparse, by functions that call ``add_argument``;
`Words` takes the same calls. What it does not understand, or what is wrong, it leaves
to argparse, which then says so.
"""

from __future__ import annotations

from types import SimpleNamespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

REST = "..."
"""``argparse.REMAINDER``."""

_FLAGS = ("store_true", "store_const")


class UnsureError(Exception):
    """It is for argparse to read this command line, or to tell what is wrong."""


class _Argument:
    def __init__(self, names: tuple[str, ...], how: dict[str, Any]) -> None:
        self.names = names
        first = next((n for n in names if n.startswith("--")), names[0])
        self.dest: str = how.get("dest") or first.lstrip("-").replace("-", "_")
        self.action: str = how.get("action", "store")
        self.const = True if self.action == "store_true" else how.get("const")
        self.default = how.get(
            "default", False if self.action == "store_true" else None
        )
        self.nargs = how.get("nargs")
        self.kind: Callable[[str], Any] | None = how.get("type")
        self.choices: Sequence[str] | None = how.get("choices")
        known = {*_FLAGS, "store", "append"}
        self.is_known = self.action in known and self.nargs in {None, "?", REST}

    def read(self, word: str) -> Any:  # noqa: ANN401
        try:
            value = word if self.kind is None else self.kind(word)
        except Exception as error:
            raise UnsureError from error
        if self.choices is not None and value not in self.choices:
            raise UnsureError
        return value


class Words:
    """The options and arguments of one command; what argparse calls a parser."""

    def __init__(self) -> None:
        self._options: dict[str, _Argument] = {}
        self._arguments: list[_Argument] = []
        self._constants: dict[str, object] = {}

    def add_argument(self, *names: str, **how: Any) -> None:  # noqa: ANN401
        """Declare an option or an argument, as argparse has it."""
        argument = _Argument(names, how)
        if names[0].startswith("-"):
            self._options.update(dict.fromkeys(names, argument))
        else:
            self._arguments.append(argument)

    def set_defaults(self, **constants: object) -> None:
        """Declare what every command line of this command has."""
        self._constants.update(constants)

    def read(
        self, words: Sequence[str], found: SimpleNamespace, *, first: bool = False
    ) -> list[str]:
        """Put what the words say into *found*.

        Args:
            words: the command line.
            found: where the values go.
            first: stop before the first word that is no option.

        Returns:
            The words that are left, with *first*.

        Raises:
            UnsureError: argparse is needed.
        """
        self._set_defaults(found)
        left, waiting = list(words), list(self._arguments)
        while left:
            word = left[0]
            if word.startswith("-") and word != "-":
                if waiting and waiting[0].nargs == REST:
                    raise UnsureError  # Whose option it is, argparse knows.
                left = self._option(left, found)
            elif first:
                return left
            else:
                left = _argument(left, waiting, found)
        if first or any(argument.nargs is None for argument in waiting):
            raise UnsureError
        for argument in waiting:
            setattr(
                found, argument.dest, [] if argument.nargs == REST else argument.default
            )
        return left

    def _set_defaults(self, found: SimpleNamespace) -> None:
        for argument in (*self._options.values(), *self._arguments):
            if not hasattr(found, argument.dest) or argument.default is not None:
                setattr(found, argument.dest, argument.default)
        for name, value in self._constants.items():
            setattr(found, name, value)

    def _option(self, words: list[str], found: SimpleNamespace) -> list[str]:
        name, equals, value = words[0].partition("=")
        option = self._options.get(name)
        if option is None or not option.is_known or (equals and name[1] != "-"):
            raise UnsureError
        rest = words[1:]
        if option.action in _FLAGS:
            if equals:
                raise UnsureError
            setattr(found, option.dest, option.const)
            return rest
        if not equals:
            if not rest or rest[0].startswith("-") or option.nargs is not None:
                raise UnsureError
            value, *rest = rest
        made = option.read(value)
        if option.action == "append":
            made = [*(getattr(found, option.dest) or []), made]
        setattr(found, option.dest, made)
        return rest


def _argument(
    words: list[str], waiting: list[_Argument], found: SimpleNamespace
) -> list[str]:
    if not waiting or not waiting[0].is_known:
        raise UnsureError
    argument = waiting.pop(0)
    if argument.nargs == REST:
        setattr(found, argument.dest, words)
        return []
    setattr(found, argument.dest, argument.read(words[0]))
    return words[1:]
