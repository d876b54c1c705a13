# SPDX-License-Identifier: Apache-2.0
"""How an init process is started."""

from __future__ import annotations

from attrs import frozen

from libcontainer.process import Log

DEADLINE_SECONDS = 30.0


@frozen(kw_only=True)
class Start:
    """How an init process is started.

    Attributes:
        gate: whether it waits at the gate first.
        detach: whether a monitor is to be its parent.
        log: where that monitor copies its output to.
    """

    gate: bool = False
    detach: bool = False
    log: Log | None = None
