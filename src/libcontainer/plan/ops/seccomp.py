# SPDX-License-Identifier: Apache-2.0
"""The system call filter."""

from __future__ import annotations

from attrs import field, frozen

from libcontainer.plan.ops.base import Op
from libcontainer.plan.record import Record

_INSTRUCTION = 8
_NEW_LISTENER = 0x08


@frozen
class Seccomp(Op):
    """Filter the system calls of the process and of all that come from it.

    Attributes:
        program: classic BPF.
        filter_flags: ``SECCOMP_FILTER_FLAG_*``.
        now: at this step; else the program is only noted here, and set by `Exec`
            right before execve(2).
    """

    KIND = 24
    MAN = "seccomp(2)"
    program: bytes = field(repr=False)
    filter_flags: int = 0
    now: bool = False

    def record(self) -> Record:
        return Record(mode=int(self.now), flags=self.filter_flags, data=self.program)

    @property
    def notifies(self) -> bool:
        """Whether a listener is handed over."""
        return bool(self.filter_flags & _NEW_LISTENER)

    @property
    def title(self) -> str:
        size = len(self.program) // _INSTRUCTION
        when = "" if self.now else ", at execve"
        listener = ", with a listener" if self.notifies else ""
        return f"filter system calls ({size} instructions{listener}{when})"
