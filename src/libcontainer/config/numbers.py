# SPDX-License-Identifier: Apache-2.0
"""Sets of processors or memory nodes, as the kernel's list text: ``0-3,7``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, cast

from libcontainer.config.convert import is_integer

NumbersLike = str | int | Iterable[int]

_TEXT: Final = re.compile(r"[0-9]{1,9}(-[0-9]{1,9})?(,[0-9]{1,9}(-[0-9]{1,9})?)*")
_WIDTH: Final = 64


def to_numbers(value: NumbersLike) -> str:
    """Return a set of numbers in its shortest text; what is none passes unchanged.

    Args:
        value: ``"0-3,7"``, one number or several.
    """
    ranges = _ranges(value)
    if ranges is None:
        return cast("str", value)
    return ",".join(_range_text(*pair) for pair in _joined(ranges))


def to_optional_numbers(value: NumbersLike | None) -> str | None:
    """Return a set of numbers as text, None as None."""
    return None if value is None else to_numbers(value)


def parse_numbers(text: str) -> list[tuple[int, int]] | None:
    """Return the (first, last) ranges of a list text, or None if it is none."""
    if not _TEXT.fullmatch(text):
        return None
    ranges = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        ranges.append((int(first), int(last) if dash else int(first)))
    return ranges if all(first <= last for first, last in ranges) else None


def numbers_mask(text: str) -> bytes:
    """Return a good list text as the kernel's bit mask: whole 64-bit words."""
    bits = 0
    for first, last in parse_numbers(text) or ():
        bits |= (1 << last + 1) - (1 << first)
    words = -(-bits.bit_length() // _WIDTH)
    return bits.to_bytes(words * _WIDTH // 8, "little")


def _ranges(value: Any) -> list[tuple[int, int]] | None:  # noqa: ANN401
    if isinstance(value, str):
        return parse_numbers(value)
    if is_integer(value):
        return [(value, value)] if 0 <= value < 10**9 else None
    if not isinstance(value, list | tuple | set | frozenset | range):
        return None
    if isinstance(value, range) and len(value) > 10**5:
        return None
    found = [_ranges(item) if is_integer(item) else None for item in value]
    if not found or None in found:
        return None
    return [pair for pairs in found for pair in pairs or ()]


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    result: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        else:
            result.append((first, last))
    return result


def _range_text(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"
