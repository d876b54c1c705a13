# SPDX-License-Identifier: Apache-2.0
"""One operation as it travels: the fields of ``struct lc_op``."""

from __future__ import annotations

from attrs import frozen

NONE = -1
"""No slot."""


@frozen
class Record:
    """The fields of ``struct lc_op``, strings and data not yet placed.

    Attributes:
        kind: ``LC_OP_*``; 0 is that of the operation it is the record of.
        uses: the slots that its data or its argument names; they do not travel.
    """

    kind: int = 0
    slot: int = NONE
    slot2: int = NONE
    mode: int = 0
    flags: int = 0
    arg: int = 0
    strings: tuple[str, ...] = ()
    data: bytes = b""
    uses: tuple[int, ...] = ()

    @property
    def slots(self) -> set[int]:
        """Every slot that the operation has to do with."""
        return {self.slot, self.slot2, *self.uses} - {NONE}
