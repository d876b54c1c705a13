# SPDX-License-Identifier: Apache-2.0
"""What is made, and handed over, where a container has a monitor."""

from __future__ import annotations

from attrs import frozen

from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.process import Log


@frozen
class Detached:
    """How a container is detached from its caller.

    Attributes:
        log: where its output is copied to.
        captures: whether a pipe takes its output to the monitor.
    """

    log: Log | None
    captures: bool


@frozen
class MakeMonitorEnds:
    """Make the monitor's program and its socket, and open what it is to hold.

    Attributes:
        caller: slot of its socket.
        program: slot of its program.
        log: where it copies the output to.
    """

    caller: int
    program: int
    log: Log | None = None

    @property
    def title(self) -> str:
        """What the step does."""
        words = "listen for whoever attaches to the monitor"
        return words if self.log is None else f"{words}; log {self.log.path!r}"


@frozen
class HandOver:
    """Leave init, its terminal or output, and the log to the monitor."""

    log: Log | None = None

    @property
    def title(self) -> str:
        """What the step does."""
        return "leave the container to its monitor"


def plan_monitor(builder: Builder, detached: Detached) -> ops.Monitor:
    """Add the slots and the HOST step of a monitor; return its operation.

    Args:
        builder: the plan in the making.
        detached: what the monitor has to do.
    """
    made = MakeMonitorEnds(
        builder.slot("monitor", given=True),
        builder.slot("monitor's program", given=True),
        detached.log,
    )
    builder.host(made)
    return ops.Monitor(made.caller, made.program)
