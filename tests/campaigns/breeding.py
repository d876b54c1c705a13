# SPDX-License-Identifier: Apache-2.0
"""Documents bred from such as are accepted, so that most get as far as a plan.

A document is changed along one path and shares the rest with its parent: what it
costs to make one is little beside what it costs to read it.
"""

from __future__ import annotations

import json
from typing import Any

from tests.campaigns.documents import INTEGERS, JUNK, TEXTS, Generator
from tests.conformance.cases import cases

Path = tuple[Any, ...]
Donation = tuple[Path, Any]

MINIMAL: dict[str, Any] = {
    "ociVersion": "1.0.2",
    "root": {"path": "rootfs"},
    "process": {"args": ["true"], "cwd": "/", "user": {"uid": 0, "gid": 0}},
    "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}]},
}
_POOL = 64
_MAX_CHARACTERS = 1000
_DONATED_DEPTH = 4
_SCHEMA_DOCUMENTS = 30


class Breeder:
    """Keeps a pool of documents that became plans, and makes others of them.

    Args:
        generator: of random numbers, values and damage.
    """

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._chance = generator.chance
        self._pool: list[tuple[Any, bytes]] = [_entry(MINIMAL)] * _POOL
        self._donations: list[list[Donation]] = []
        documents = [case.document for case in cases()]
        documents += [generator.document() for _ in range(_SCHEMA_DOCUMENTS)]
        seen = set()
        for document in documents:
            # What all of them share is donated once.
            new = [(path, value) for path, value in _below(document, ())
                   if (word := repr((path, value))) not in seen
                   and not seen.add(word)]  # type: ignore[func-returns-value]  # fmt: skip
            if new:
                self._donations.append(new)

    def child(self) -> Any:
        """Return a document that is like one of the pool."""
        chance = self._chance
        document = chance.choice(self._pool)[0]
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            if chance.random() < 0.6:
                path, value = chance.choice(chance.choice(self._donations))
                document = _grafted(document, path, value)
            else:
                document = self._changed(document)
        return document

    def text(self) -> bytes:
        """Return the text of one of the pool, damaged."""
        return self._generator.damage(self._chance.choice(self._pool)[1])

    def keep(self, document: Any) -> None:
        """Take an accepted document into the pool, now and then the smallest."""
        if self._chance.random() < 0.02:
            document = MINIMAL
        entry = _entry(document)
        if len(entry[1]) <= _MAX_CHARACTERS:
            self._pool[self._chance.randrange(_POOL)] = entry

    def _changed(self, document: Any) -> Any:
        """Return a copy that is changed in one place, found by a walk down from it."""
        chance = self._chance
        if not document or not isinstance(document, dict | list):
            return self._value(document)
        keys = list(document) if isinstance(document, dict) else range(len(document))
        key, copy = chance.choice(keys), document.copy()
        below = document[key]
        if isinstance(below, dict | list) and below and chance.random() < 0.85:
            copy[key] = self._changed(below)
            return copy
        how = chance.randrange(6)
        if how == 0:
            del copy[key]
        elif how == 1 and isinstance(copy, list):
            copy.insert(key, below)
        elif how == 1:
            copy[chance.choice(TEXTS)] = below
        else:
            copy[key] = self._value(below)
        return copy

    def _value(self, old: Any) -> Any:
        """Return another value, mostly of the same kind."""
        chance = self._chance
        if chance.random() < 0.15:
            return chance.choice(JUNK)
        if isinstance(old, bool):
            return not old
        if isinstance(old, int):
            near = old + chance.choice((-1, 1, 2, 1000))
            return near if chance.random() < 0.5 else chance.choice(INTEGERS)
        if isinstance(old, str) and chance.random() < 0.5:
            return self._generator.damage(old.encode("utf-8", "surrogatepass")).decode(
                "utf-8", "replace"
            )
        return chance.choice(TEXTS)


def _entry(document: Any) -> tuple[Any, bytes]:
    return document, json.dumps(document).encode()


def _below(value: Any, path: Path) -> Any:
    """Yield (path, value) of everything below a document, down to some depth."""
    if isinstance(value, dict):
        items: Any = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    else:
        return
    for key, below in items:
        yield (*path, key), below
        if len(path) < _DONATED_DEPTH:
            yield from _below(below, (*path, key))


def _grafted(document: Any, path: Path, value: Any) -> Any:
    """Return a copy with a value at a path; what is missing on the way is made."""
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(key, int):
        copy: Any = document.copy() if isinstance(document, list) else []
        if key < len(copy):
            copy[key] = _grafted(copy[key], rest, value)
        else:
            copy.append(_grafted(None, rest, value))
        return copy
    copy = document.copy() if isinstance(document, dict) else {}
    copy[key] = _grafted(copy.get(key), rest, value)
    return copy
