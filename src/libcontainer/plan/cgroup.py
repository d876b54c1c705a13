# SPDX-License-Identifier: Apache-2.0
"""How a process enters the container's cgroup."""

from __future__ import annotations

from attrs import frozen

from libcontainer.config import Config, IdMapping, MountAttr, NamespaceType
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.facts import Facts
from libcontainer.plan.record import NONE
from libcontainer.plan.steps import AttachToUnit, MakeCgroup, OpenCgroup, OpenJoins
from libcontainer.plan.unified import UNIFIED

CLONE_NEWCGROUP = 0x02000000
_PREFIX = "cgroup "
MOST_TAKEN = 64
"""How many descriptors one message carries, ``LC_MAX_TAKEN``."""


@frozen
class CgroupSlots:
    """The slots of the fds that a process enters its cgroup through.

    Attributes:
        v1: of ``tasks`` files, with the name of the hierarchy.
        unified: of the v2 directory, or `NONE`.
        by_unit: whether systemd has to put the process into the v2 directory.
        trees: what opens its directories to be mounted, once they are there.
    """

    v1: tuple[tuple[str, int], ...] = ()
    unified: int = NONE
    by_unit: bool = False
    trees: tuple[OpenCgroup, ...] = ()

    @property
    def slots(self) -> tuple[int, ...]:
        """Every slot, in the order of the hierarchies."""
        v1 = tuple(slot for _, slot in self.v1)
        return v1 if self.unified == NONE else (*v1, self.unified)

    def __bool__(self) -> bool:
        return bool(self.slots) or self.by_unit


def take_cgroup(
    builder: Builder, facts: Facts, trees: tuple[OpenCgroup, ...] = ()
) -> CgroupSlots:
    """Add a slot for each hierarchy the container has a cgroup in."""
    v1, unified = [], NONE
    for name in facts.cgroups:
        if name == UNIFIED and facts.enters_by_unit:
            continue
        slot = builder.slot(f"{_PREFIX}{name or 'v2'}", given=True)
        if name == UNIFIED:
            unified = slot
        else:
            v1.append((name, slot))
    return CgroupSlots(tuple(v1), unified, facts.enters_by_unit, trees)


def make_cgroup(builder: Builder, group: CgroupSlots) -> None:
    """Add the step that makes the cgroup, if there is one."""
    if group:
        builder.stage("cgroup")
        builder.host(MakeCgroup(group.slots))
        for tree in group.trees:
            builder.host(tree)


def can_make_meanwhile(group: CgroupSlots) -> bool:
    """Tell whether a cgroup can be made while the helper makes its namespaces.

    Nothing may be born in it, nor be mounted of it. On v1 it takes as long as a network
    namespace does.
    """
    count = len(group.v1)
    alone = group.unified == NONE and not group.by_unit and not group.trees
    return alone and 0 < count <= MOST_TAKEN


def make_cgroup_meanwhile(builder: Builder, group: CgroupSlots) -> None:
    """Add the step that makes the cgroup, right after the start of the helper."""
    builder.stage("limits")
    builder.host(MakeCgroup(group.slots, meanwhile=True))


def take_cgroup_fds(builder: Builder, group: CgroupSlots) -> None:
    """Add the step that waits for the cgroup made, or opened, meanwhile."""
    if group.slots:
        builder.init(ops.Take(group.slots[0], len(group.slots), "the cgroup"))


def open_cgroup_meanwhile(builder: Builder, group: CgroupSlots) -> None:
    """Add the step that opens a cgroup which is there, if it is entered by fd."""
    if group.slots:
        builder.host(OpenJoins())


def cgroup_owner(config: Config) -> tuple[int, int] | None:
    """Return the host uid and gid that a v2 cgroup is to belong to, if not the maker.

    The root of a new user namespace may make cgroups of its own where it sees its
    cgroup as the root and has it mounted to be written to. None: nobody is given it.
    """
    joined = {kind for kind, _ in config.namespace_paths}
    new = config.namespaces - joined
    if not {NamespaceType.CGROUP, NamespaceType.USER} <= new:
        return None
    mounts = (*config.base_mounts, *config.mounts)
    writable = any(
        m.type == "cgroup" and not m.attrs & MountAttr.RDONLY for m in mounts
    )
    uid, gid = _root_of(config.uid_mappings), _root_of(config.gid_mappings)
    return (uid, gid) if writable and uid is not None and gid is not None else None


def _root_of(mappings: tuple[IdMapping, ...]) -> int | None:
    return next((m.host_id for m in mappings if m.container_id == 0), None)


def enter_cgroup(builder: Builder, group: CgroupSlots) -> None:
    """Add the steps that put the helper itself into the v1 cgroups.

    It writes 0, "myself", to ``tasks``: a pid written to ``cgroup.procs`` would
    wait for every processor of the machine. Where the caller may not put a process
    into the v2 cgroup, systemd does.
    """
    if group.by_unit:
        builder.host(AttachToUnit())
    for name, slot in group.v1:
        what = f"enter the {name} cgroup"
        builder.init(ops.Call("write", (ops.SlotRef(slot), b"0", 1), what))


def enter_cgroup_namespace(builder: Builder, config: Config) -> None:
    """Add the new cgroup namespace; its root is the cgroup entered before."""
    if NamespaceType.CGROUP in config.namespaces:
        builder.init(ops.Unshare(CLONE_NEWCGROUP))
