# SPDX-License-Identifier: Apache-2.0
"""Where the time of a launch goes; loaded only where somebody asks for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from attrs import frozen

from libcontainer.host.launch import Launch
from libcontainer.plan.steps import Side, Step


@frozen(kw_only=True)
class StepTime:
    """How long a step of a launch has taken, or several of the helper together.

    The helper says only at a barrier how far it is: its steps up to there are one.
    """

    first: int
    """Number of the first step, from 1, as `Container.explain` prints it."""

    last: int
    """Number of the last."""

    total: int
    """How many steps the plan has."""

    side: str
    """``host``, the caller's, or ``init``, the helper's."""

    title: str
    """What was done; of several steps the last one."""

    seconds: float
    """From the end of the step before to the end of this one."""


Trace = Callable[[StepTime], object]


class TracedLaunch(Launch):
    """A launch that tells of each step when it is done."""

    def __init__(self, *args: Any, trace: Trace, **keywords: Any) -> None:  # noqa: ANN401 - those of Launch
        super().__init__(*args, **keywords)
        self._trace = trace
        self._known = 0
        self._then = time.monotonic()

    def _run_step(self, step: Step) -> None:
        super()._run_step(step)
        self._tell(step)

    def _await_exec(self) -> None:
        super()._await_exec()
        self._tell(self.plan.steps[-1])

    def _tell(self, step: Step) -> None:
        now = time.monotonic()
        is_host = step.side is Side.HOST
        self._trace(
            StepTime(
                first=step.index if is_host else self._known + 1,
                last=step.index,
                total=len(self.plan.steps),
                side=step.side.value,
                title=step.title,
                seconds=now - self._then,
            )
        )
        self._known, self._then = step.index, now
