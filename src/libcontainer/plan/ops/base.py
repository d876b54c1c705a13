# SPDX-License-Identifier: Apache-2.0
"""What every operation of the init side is."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from libcontainer.plan.record import Record


@frozen
class Op:
    """One operation of the init side."""

    KIND: ClassVar[int] = 0
    MAN: ClassVar[str] = ""

    def record(self) -> Record:
        """Return the fields of this operation as they travel."""
        raise NotImplementedError

    def records(self) -> tuple[Record, ...]:
        """Return what the helper carries out for this operation, one after another.

        All of them bear the number of its step.
        """
        return (self.record(),)

    @property
    def man(self) -> str:
        """The manual page of what the kernel does: ``name(section)``."""
        return self.MAN

    @property
    def title(self) -> str:
        """What the operation does, on what: ``verb object (flags)``."""
        raise NotImplementedError
