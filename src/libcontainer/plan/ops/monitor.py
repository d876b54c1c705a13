# SPDX-License-Identifier: Apache-2.0
"""The operation that puts a monitor above init."""

from __future__ import annotations

from attrs import frozen

from libcontainer.plan.ops.base import Op
from libcontainer.plan.record import Record


@frozen
class Monitor(Op):
    """Go on as the child of a monitor, which stays outside of the container.

    Attributes:
        caller: slot of the socket on which the caller tells it what to watch.
        program: slot of the program that it is.
    """

    KIND = 23
    MAN = "clone(2)"
    caller: int
    program: int

    def record(self) -> Record:
        return Record(slot=self.caller, slot2=self.program)

    @property
    def title(self) -> str:
        return "go on below a monitor"
