# SPDX-License-Identifier: Apache-2.0
"""A plan, ready to be launched any number of times."""

from __future__ import annotations

from libcontainer.plan import ops
from libcontainer.plan.hooks import hook_seconds
from libcontainer.plan.steps import Plan, Side, Step
from libcontainer.plan.wire import Image


class Compiled:
    """A plan with everything about it that no launch changes.

    Attributes:
        plan: the plan.
        image: its bytes.
        dialogue: the steps the caller takes part in: its own, and barriers.
        has_monitor: whether init is to have a monitor.
        clones: how many times the helper goes on in a child.
        waits: whether the program is not executed before somebody else lets it be: at
            the gate, or by reading from a fifo.
        hook_seconds: how long its hooks may take; infinity if one has no limit.
        notifies: whether the filter of system calls has a listener.
        executes: whether a program takes the helper's place.
        last_word: the barrier after which the caller has nothing more to say and
            nothing to answer before the program runs, or None.
    """

    __slots__ = (
        "clones",
        "dialogue",
        "executes",
        "has_monitor",
        "hook_seconds",
        "image",
        "last_word",
        "notifies",
        "plan",
        "waits",
    )

    def __init__(self, plan: Plan) -> None:
        kinds = {type(step.action) for step in plan.steps}
        self.plan = plan
        self.image = Image(plan)
        self.dialogue: tuple[Step, ...] = tuple(
            step
            for step in plan.steps
            if step.side is Side.HOST or isinstance(step.action, ops.Barrier)
        )
        self.has_monitor = ops.Monitor in kinds
        self.clones = sum(kind in kinds for kind in (ops.Monitor, ops.Clone))
        self.waits = not kinds.isdisjoint((ops.Gate, ops.WaitFifo))
        self.notifies = any(
            isinstance(step.action, ops.Seccomp) and step.action.notifies
            for step in plan.steps
        )
        self.executes = ops.Exec in kinds
        self.last_word = self._find_last_word()
        self.hook_seconds = sum(hook_seconds(step) for step in plan.steps)

    def _find_last_word(self) -> Step | None:
        if not self.executes or self.waits or self.notifies or not self.dialogue:
            return None
        last = self.dialogue[-1]
        is_early = isinstance(last.action, ops.Barrier) and last.action.early
        return last if is_early else None

    def slot_of(self, name: str) -> int:
        """Return the number of the slot called *name*."""
        return [slot.name for slot in self.plan.slots].index(name)
