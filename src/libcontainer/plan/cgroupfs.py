# SPDX-License-Identifier: Apache-2.0
"""Mounts of type ``cgroup``: the container's own cgroups, as the host lays them out."""

from __future__ import annotations

from collections.abc import Mapping

from libcontainer.config import Config, Mount, MountAttr, NamespaceType
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.change import MS_PRIVATE, change, own_attributes
from libcontainer.plan.facts import Facts
from libcontainer.plan.kinds import is_new
from libcontainer.plan.record import NONE
from libcontainer.plan.sources import Sources
from libcontainer.plan.steps import OpenCgroup

_READ_ONLY = int(MountAttr.RDONLY)
_HOST = "/sys/fs/cgroup"
_UNIFIED = ""
_NAMED = "name="


def is_own(config: Config) -> bool:
    """Tell whether the container sees its own cgroup as the root.

    Without a cgroup namespace of its own a mount would show the cgroups of others.
    On v1 the container's own directories are bound then; where the caller may not,
    and on v2, all of the host's.
    """
    return is_new(config, NamespaceType.CGROUP)


def may_bind_own(facts: Facts) -> bool:
    """Tell whether the caller can bind the container's own directories."""
    return facts.privileged and bool(facts.cgroups) and _UNIFIED not in facts.cgroups


def own_trees(
    builder: Builder, facts: Facts, mount: Mount
) -> tuple[dict[str, int], tuple[OpenCgroup, ...]]:
    """Return the slots of the container's own directories, and what opens them.

    They are there once its cgroup has been made: then is the time to open them.
    """
    whole = change(own_attributes(mount), 0, MS_PRIVATE)
    slots = {
        name: builder.slot(f"the {folder_of(name)} hierarchy", given=True)
        for name in facts.cgroups
    }
    return slots, tuple(OpenCgroup(slot, name, whole) for name, slot in slots.items())


def open_host(sources: Sources, config: Config, facts: Facts, mount: Mount) -> int:
    """Open the host's cgroups, to be bound; return the slot.

    Read-only, but for the host's root on v2, where "rw" and no cgroup namespace are
    how a privileged container asks for all cgroups (CVE-2023-25809 was about others).
    """
    is_root = facts.privileged and NamespaceType.USER not in config.namespaces
    may_write = is_root and facts.cgroups in {(), (_UNIFIED,)}
    attributes = own_attributes(mount) | (0 if may_write else _READ_ONLY)
    whole = change(attributes, 0, MS_PRIVATE, recursive=True)
    return sources.tree(_HOST, (whole,), recursive=True)


class CgroupMount:
    """Adds the steps of one mount of type ``cgroup``.

    On v2 it is one filesystem. On v1 it is a tmpfs with a directory for each
    hierarchy, and a link for each of several controllers that share one.
    """

    def __init__(
        self, builder: Builder, facts: Facts, mount: Mount, trees: Mapping[str, int]
    ) -> None:
        self._builder = builder
        self._trees = trees
        # Only those in which the container has a cgroup: in any other the root that
        # it sees is the caller's.
        self._hierarchies = facts.cgroups or facts.hierarchies
        self._mount = mount
        shared = 0 if facts.cgroups else _READ_ONLY
        self._attributes = own_attributes(mount) | shared

    @property
    def _is_unified(self) -> bool:
        return self._hierarchies in {(), (_UNIFIED,)}

    def make(self) -> int:
        """Make what is attached on the destination; return its slot."""
        path = self._mount.destination
        if self._is_unified:
            return self._make(path, "cgroup2", (), self._attributes)
        options = ("mode=755", "size=16k", "source=cgroup")
        slot = self._make(path, "tmpfs", options, self._attributes & ~_READ_ONLY)
        for name in self._hierarchies:
            folder = folder_of(name)
            self._builder.init(ops.Mkdir(slot, folder))
            controllers = name.split(",")
            for controller in controllers if len(controllers) > 1 else ():
                self._builder.init(ops.Symlink(slot, controller, folder))
        return slot

    def fill(self, slot: int) -> None:
        """Attach the hierarchies in what has been attached."""
        if self._is_unified:
            return
        path = self._mount.destination
        for name in self._hierarchies:
            folder = folder_of(name)
            own = self._trees.get(name, NONE)
            if own == NONE:
                kind = "cgroup2" if name == _UNIFIED else "cgroup"
                place = f"{path}/{folder}"
                own = self._make(place, kind, _options(name), self._attributes)
            what = f"the {folder} hierarchy"
            self._builder.init(ops.Attach(own, folder, what, base=slot, base_path=path))
        if self._attributes & _READ_ONLY:
            self._builder.init(ops.SetAttributes(slot, change(_READ_ONLY), repr(path)))

    def _make(
        self, path: str, kind: str, options: tuple[str, ...], attributes: int
    ) -> int:
        slot = self._builder.slot(path)
        self._builder.init(ops.MakeFs(slot, kind, options, attributes, path))
        return slot


def folder_of(name: str) -> str:
    """Return where in such a mount a hierarchy is."""
    return "unified" if name == _UNIFIED else name.removeprefix(_NAMED)


def _options(name: str) -> tuple[str, ...]:
    if name == _UNIFIED:
        return ()
    if name.startswith(_NAMED):
        return ("none", name, "source=cgroup")
    return (*name.split(","), "source=cgroup")
