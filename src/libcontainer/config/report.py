# SPDX-License-Identifier: Apache-2.0
"""Collects what is wrong with a configuration, and the checks of basic types.

Each check tells the report where it looked. It returns the value in its right
type, or None after it has reported a problem, so that a caller goes on with
what is left: everything wrong is reported at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from libcontainer.config.convert import is_integer
from libcontainer.errors import Problem

T = TypeVar("T")

_SHOWN_CHARACTERS = 120

# The kernel takes no longer argument or environment entry (MAX_ARG_STRLEN).
_MAX_TEXT = 128 * 1024 - 1


def show(value: object) -> str:
    """Return a short form of any value, for a message."""
    try:
        text = repr(value)
    except Exception:
        return f"<{type(value).__name__} that cannot be shown>"
    if len(text) > _SHOWN_CHARACTERS:
        return f"{text[:_SHOWN_CHARACTERS]}... ({len(text)} characters)"
    return text


def join(path: str, name: str) -> str:
    """Return the path of a field of what is at *path*."""
    return f"{path}.{name}" if path else name


def _ordered(items: Iterable[object]) -> list[object]:
    texts = [item for item in items if isinstance(item, str)]
    others = [item for item in items if not isinstance(item, str)]
    return [*sorted(texts), *sorted(others, key=show)]


class Report:
    """The problems found so far.

    Attributes:
        problems: in the order in which they were found.
    """

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, path: str, message: str) -> None:
        """Report a problem."""
        self.problems.append(Problem(path, message))

    def wrong_type(self, path: str, wanted: str, value: object) -> None:
        """Report a value of a wrong type."""
        self.add(path, f"must be {wanted}, not {type(value).__name__}")

    def boolean(self, path: str, value: object) -> bool | None:
        """Check for True or False."""
        if isinstance(value, bool):
            return value
        self.wrong_type(path, "true or false", value)
        return None

    def integer(self, path: str, value: object, low: int, high: int) -> int | None:
        """Check for an integer from *low* to *high*; a boolean is none."""
        if not is_integer(value) or not isinstance(value, int):
            self.wrong_type(path, "an integer", value)
            return None
        if low <= value <= high:
            return value
        self.add(path, f"must be from {low} to {high}, not {show(value)}")
        return None

    def text(self, path: str, value: object) -> str | None:
        """Check for text that the kernel can take: UTF-8 without NUL."""
        if not isinstance(value, str):
            self.wrong_type(path, "a string", value)
            return None
        try:
            size = len(value) if value.isascii() else len(value.encode())
        except UnicodeEncodeError:
            self.add(path, f"cannot be encoded in UTF-8: {show(value)}")
            return None
        if "\0" in value:
            self.add(path, f"has a NUL: {show(value)}")
            return None
        if size > _MAX_TEXT:
            self.add(path, f"is {size} bytes long, {_MAX_TEXT} is the most")
            return None
        return value

    def line(self, path: str, value: object) -> str | None:
        """Check for text without a line break."""
        text = self.text(path, value)
        if text is not None and ("\n" in text or "\r" in text):
            self.add(path, f"has a line break: {show(text)}")
            return None
        return text

    def instance(self, path: str, value: object, kind: type[T]) -> T | None:
        """Check for an object of our own class."""
        if isinstance(value, kind):
            return value
        self.wrong_type(path, f"a {kind.__name__}", value)
        return None

    def word(self, path: str, value: object, allowed: Collection[str]) -> str | None:
        """Check for one of some words."""
        text = self.text(path, value)
        if text is None or text in allowed:
            return text
        self.add(path, f"must be one of {', '.join(allowed)}, not {show(text)}")
        return None

    def items(
        self, path: str, value: object, wanted: str = "items"
    ) -> list[tuple[str, object]]:
        """Check for a sequence; return its items, each with its own path.

        A set has no order: its items are sorted, and have the path of the set.
        """
        if isinstance(value, frozenset):
            return [(path, item) for item in _ordered(value)]
        if isinstance(value, str):
            self.add(path, f"must be a sequence of {wanted}, not one string")
            return []
        if not isinstance(value, list | tuple):
            self.wrong_type(path, f"a sequence of {wanted}", value)
            return []
        return [(f"{path}[{number}]", item) for number, item in enumerate(value)]

    def pairs(self, path: str, value: object) -> list[tuple[str, object, object]]:
        """Check for the pairs of a mapping; return each key and value with a path."""
        found: list[tuple[str, object, object]] = []
        for at, item in self.items(path, value, "pairs"):
            if isinstance(item, tuple) and len(item) == 2:
                found.append((at, item[0], item[1]))
            else:
                self.wrong_type(at, "a pair", item)
        return found

    def mapping(self, path: str, value: object) -> Mapping[str, object]:
        """Check for a mapping; an empty one stands for anything else."""
        if isinstance(value, Mapping):
            return value
        self.wrong_type(path, "an object", value)
        return {}
