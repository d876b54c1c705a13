# SPDX-License-Identifier: Apache-2.0
"""Typed look at one object of a parsed ``container.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from libcontainer.config.report import Report, join

_MAX_INT: Final = 2**63 - 1


class Reader:
    """An object of the document, with its path.

    A key that is absent, or null, has the zero value of its type, as in the
    old decoder; so has one of a wrong type, after it has been reported.

    Attributes:
        document: the object.
        report: where problems go.
        warnings: where warnings go.
    """

    def __init__(
        self, path: str, document: object, report: Report, warnings: Report
    ) -> None:
        self._path = path
        self.report = report
        self.warnings = warnings
        self.document: Mapping[str, object] = report.mapping(path, document)

    def path(self, key: str) -> str:
        """Return the path of a key; of the object itself for no key."""
        return join(self._path, key) if key else self._path

    def refuse(self, key: str, message: str) -> None:
        """Report a problem."""
        self.report.add(self.path(key), message)

    def warn(self, key: str, message: str) -> None:
        """Report a warning."""
        self.warnings.add(self.path(key), message)

    def get(self, key: str) -> object:
        """Return the value of a key, or None."""
        return self.document.get(key)

    def text(self, key: str) -> str:
        """Return a string."""
        value = self.get(key)
        if value is None:
            return ""
        return self.report.text(self.path(key), value) or ""

    def boolean(self, key: str) -> bool:
        """Return true or false."""
        value = self.get(key)
        return value is not None and bool(self.report.boolean(self.path(key), value))

    def integer(self, key: str, *, low: int = 0, high: int = _MAX_INT) -> int:
        """Return an integer."""
        value = self.get(key)
        if value is None:
            return 0
        return self.report.integer(self.path(key), value, low, high) or 0

    def items(self, key: str) -> list[tuple[str, object]]:
        """Return the items of a list, each with its path."""
        value = self.get(key)
        return [] if value is None else self.report.items(self.path(key), value)

    def texts(self, key: str) -> list[tuple[str, str]]:
        """Return the strings of a list, each with its path."""
        texts = ((at, self.report.text(at, item)) for at, item in self.items(key))
        return [(at, text) for at, text in texts if text is not None]

    def child(self, key: str) -> Reader:
        """Return the object at a key; an empty one if there is none."""
        value = self.get(key)
        document = {} if value is None else value
        return Reader(self.path(key), document, self.report, self.warnings)

    def children(self, key: str) -> list[Reader]:
        """Return the objects of a list."""
        items = self.items(key)
        return [Reader(at, item, self.report, self.warnings) for at, item in items]

    def check_types(self, texts: str, integers: str = "") -> None:
        """Check the types of keys that have no effect here."""
        for key in texts.split():
            self.text(key)
        for key in integers.split():
            self.integer(key, low=-1)
