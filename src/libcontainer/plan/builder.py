# SPDX-License-Identifier: Apache-2.0
"""Collects the steps of one plan and the slots they name."""

from __future__ import annotations

from libcontainer.plan.ops import Barrier, Op
from libcontainer.plan.steps import HostAction, Plan, Side, Slot, Spawn, Step


class Builder:
    """A plan in the making.

    A barrier is added wherever the host has to act after the helper has
    started, so no compiler writes the dialogue of the two sides by hand.
    """

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._slots: list[Slot] = []
        self._stdio: list[tuple[int, int]] = []
        self._stage = ""
        self._spawned = False
        self.slot("control", given=True)

    def stage(self, name: str) -> None:
        """Begin a stage (`libcontainer.plan.stages.STAGES`)."""
        self._stage = name

    def slot(self, name: str, *, given: bool = False) -> int:
        """Add a slot; return its number."""
        self._slots.append(Slot(name, given))
        return len(self._slots) - 1

    def stdio(self, container_fd: int) -> int:
        """Add the slot of an fd that the program gets as *container_fd*."""
        number = self.slot(f"fd {container_fd}", given=True)
        self._stdio.append((container_fd, number))
        return number

    def host(self, action: HostAction) -> None:
        """Add a HOST step, after a barrier where the helper is at work."""
        if isinstance(action, Spawn):
            self._spawned = True
        elif self._spawned and self._helper_works():
            self.init(Barrier())
        self._add(Side.HOST, action)

    def init(self, op: Op) -> None:
        """Add an INIT step."""
        self._add(Side.INIT, op)

    @property
    def stdio_slots(self) -> tuple[tuple[int, int], ...]:
        """(container fd, slot) of every descriptor the caller hands in."""
        return tuple(self._stdio)

    def slot_of(self, name: str) -> int:
        """Return the number of the slot called *name*."""
        return [slot.name for slot in self._slots].index(name)

    def build(self) -> Plan:
        """Return the plan."""
        return Plan(tuple(self._steps), tuple(self._slots), tuple(self._stdio))

    def _helper_works(self) -> bool:
        last = self._steps[-1]
        return last.side is Side.INIT and not isinstance(last.action, Barrier)

    def _add(self, side: Side, action: HostAction | Op) -> None:
        self._steps.append(Step(len(self._steps) + 1, self._stage, side, action))
