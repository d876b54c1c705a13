# SPDX-License-Identifier: Apache-2.0
"""One operation as it travels: the fields of ``struct lc_op``."""

from __future__ import annotations

from attrs import frozen

NONE = -1
"""No slot."""


@frozen
class Record:
    """The fields of ``struct lc_op``, strings and structs not yet placed.

    Attributes:
        patch: ``(offset, format, value)`` triples written into *data* once it
            is placed; a `str` value stands for the offset of that string.
    """

    slot: int = NONE
    slot2: int = NONE
    mode: int = 0
    flags: int = 0
    arg: int = 0
    text: str | None = None
    text2: str | None = None
    list: tuple[str, ...] = ()
    list2: tuple[str, ...] = ()
    data: bytes = b""
    patch: tuple[tuple[int, str, str | int | None], ...] = ()
