# SPDX-License-Identifier: Apache-2.0
"""What is made, and handed over, where a container has a monitor."""

from __future__ import annotations

import os

from attrs import frozen

from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.compiled import OUTPUT
from libcontainer.plan.record import NONE
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
    """Make and open what the monitor is to hold, into the slots."""

    caller: int
    listener: int
    folder: int
    log_folder: int = NONE
    log_path: str | None = None

    @property
    def title(self) -> str:
        """What the step does."""
        words = "listen for who attaches to the monitor"
        return words if self.log_path is None else f"{words}; log {self.log_path!r}"


@frozen
class HandOver:
    """Leave init and its terminal to the monitor."""

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
    log = detached.log
    made = MakeMonitorEnds(
        builder.slot("monitor", given=True),
        builder.slot("attach", given=True),
        builder.slot("folder", given=True),
        NONE if log is None else builder.slot("log folder", given=True),
        None if log is None else log.path,
    )
    builder.host(made)
    return ops.Monitor(
        made.caller,
        made.listener,
        made.folder,
        made.log_folder,
        builder.slot(OUTPUT, given=True) if detached.captures else NONE,
        () if log is None else _names(log),
        0 if log is None else log.max_size,
    )


def _names(log: Log) -> tuple[str, ...]:
    name = os.path.basename(log.path)
    return (name, *(f"{name}.{number}" for number in range(1, log.max_files)))
