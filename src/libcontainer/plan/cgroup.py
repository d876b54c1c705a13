# SPDX-License-Identifier: Apache-2.0
"""How a process enters the container's cgroup."""

from __future__ import annotations

from attrs import frozen

from libcontainer.config import Config, NamespaceType
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.facts import Facts
from libcontainer.plan.record import NONE
from libcontainer.plan.steps import MakeCgroup, OpenCgroup, Plan
from libcontainer.plan.unified import UNIFIED

CLONE_NEWCGROUP = 0x02000000
_PREFIX = "cgroup "


@frozen
class CgroupSlots:
    """The slots of the fds that a process enters its cgroup through.

    Attributes:
        v1: of ``tasks`` files, with the name of the hierarchy.
        unified: of the v2 directory, or `NONE`.
        trees: what opens its directories to be mounted, once they are there.
    """

    v1: tuple[tuple[str, int], ...] = ()
    unified: int = NONE
    trees: tuple[OpenCgroup, ...] = ()

    @property
    def slots(self) -> tuple[int, ...]:
        """Every slot, in the order of the hierarchies."""
        v1 = tuple(slot for _, slot in self.v1)
        return v1 if self.unified == NONE else (*v1, self.unified)

    def __bool__(self) -> bool:
        return bool(self.slots)


def take_cgroup(
    builder: Builder, facts: Facts, trees: tuple[OpenCgroup, ...] = ()
) -> CgroupSlots:
    """Add a slot for each hierarchy the container has a cgroup in."""
    v1, unified = [], NONE
    for name in facts.cgroups:
        slot = builder.slot(f"{_PREFIX}{name or 'v2'}", given=True)
        if name == UNIFIED:
            unified = slot
        else:
            v1.append((name, slot))
    return CgroupSlots(tuple(v1), unified, trees)


def make_cgroup(builder: Builder, group: CgroupSlots) -> None:
    """Add the step that makes the cgroup, if there is one."""
    if group:
        builder.stage("cgroup")
        builder.host(MakeCgroup(group.slots))
        for tree in group.trees:
            builder.host(tree)


def cgroup_slots(plan: Plan) -> tuple[int, ...]:
    """Return the slots of the cgroup in a plan, in the order of the hierarchies."""
    return tuple(
        number
        for number, slot in enumerate(plan.slots)
        if slot.name.startswith(_PREFIX)
    )


def enter_cgroup(builder: Builder, group: CgroupSlots) -> None:
    """Add the steps that put the helper itself into the v1 cgroups.

    It writes 0, "myself", to ``tasks``: a pid written to ``cgroup.procs`` would
    wait for every processor of the machine.
    """
    for name, slot in group.v1:
        what = f"enter the {name} cgroup"
        builder.init(ops.Call("write", (ops.SlotRef(slot), b"0", 1), what))


def enter_cgroup_namespace(builder: Builder, config: Config) -> None:
    """Add the new cgroup namespace; its root is the cgroup entered before."""
    if NamespaceType.CGROUP in config.namespaces:
        builder.init(ops.Unshare(CLONE_NEWCGROUP))
