# SPDX-License-Identifier: Apache-2.0
"""Texts of cgroup files to numbers. Pure.

What a line says that nobody knows is passed over: a newer kernel may have more to
say, and statistics must not fail for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

# v1 says "no limit" by the largest number of whole pages.
_V1_UNLIMITED: Final = 1 << 62
_DIGITS: Final = 20


def whole(word: str) -> int | None:
    """Return a whole number, or None if *word* is none (``max`` is none)."""
    digits = word[1:] if word[:1] == "-" else word
    # The kernel's numbers have 64 bits; of one that is too long Python makes none.
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS):
        return None
    return int(word)


def number(text: str) -> int | None:
    """Return the number that is all of a file; None where it is ``max`` or absent."""
    return whole(text.strip())


def v1_limit(text: str) -> int | None:
    """Return a limit of v1; None is no limit."""
    found = number(text)
    return None if found is None or found > _V1_UNLIMITED else found


def flat(text: str) -> dict[str, int]:
    """Return a file of ``key number`` lines."""
    found = {}
    for line in text.splitlines():
        key, _, word = line.partition(" ")
        value = whole(word.strip())
        if key and value is not None:
            found[key] = value
    return found


def nested(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each line of a file of ``name key=value ...`` lines."""
    for line in text.splitlines():
        name, *pairs = line.split() or [""]
        yield name, dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def whole_of(values: Mapping[str, str], key: str) -> int:
    """Return the number of a key, 0 where there is none."""
    return whole(values.get(key, "")) or 0


def numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of a file that has nothing else, else nothing."""
    found = tuple(whole(word) for word in text.split())
    return tuple(n for n in found if n is not None) if None not in found else ()


def device(word: str) -> tuple[int, int] | None:
    """Return ``major:minor``, or None if *word* is not that."""
    major, _, minor = word.partition(":")
    first, second = whole(major), whole(minor)
    if first is None or second is None or first < 0 or second < 0:
        return None
    return first, second
