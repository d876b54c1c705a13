# SPDX-License-Identifier: Apache-2.0
"""Where a container's cgroup is, and who makes it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Protocol

from attrs import evolve, field, frozen

from libcontainer.cgroups.hierarchy import (
    CgroupMode,
    Hierarchies,
    Hierarchy,
    read_hierarchies,
)
from libcontainer.config import Config, Resources
from libcontainer.errors import UnsupportedError
from libcontainer.plan.unified import UNIFIED
from libcontainer.state import Unit

PREFIX = "libcontainer-"
"""What the name of a cgroup begins with that nobody has named."""
_UNLIMITED = Resources()


@frozen
class Placement:
    """Where the cgroup of a container is.

    Attributes:
        paths: host paths of its directories by hierarchy
            (`libcontainer.cgroups.group.Group`); none at all leaves the container in
            the cgroup of its caller.
        unit: the systemd unit that it is, if systemd makes it.
    """

    paths: Mapping[str, str] = field(factory=dict)
    unit: Unit | None = None


class CgroupStrategy(Protocol):
    """Decides about the cgroup of a container. It changes nothing itself."""

    @property
    def name(self) -> str:
        """The word it is chosen by."""

    def place(self, container_id: str, config: Config) -> Placement:
        """Return where a container's cgroup is to be.

        Raises:
            UnsupportedError: *config* asks for limits that cannot hold here.
        """


class NoCgroups:
    """Leaves every container in the cgroup of its caller."""

    name = "disabled"

    def place(self, container_id: str, config: Config) -> Placement:
        """Return nothing.

        Raises:
            UnsupportedError: *config* has limits, or names a cgroup.
        """
        del container_id
        if is_wanted(config):
            need = "a factory whose cgroups are not disabled"
            raise UnsupportedError("limits on resources", need)
        return Placement()


class Cgroupfs:
    """Makes directories in the mounted hierarchies, all of v1 or that of v2.

    A container without a path of its own gets ``libcontainer-ID`` below the
    cgroup of the caller (v1), so that the caller's own limits hold for it too.
    In v2 a cgroup with processes has no limited children, so there it is below
    the nearest one above that has none.

    Args:
        hierarchies: what is mounted; by default looked up.
        prefix: what the name of a directory begins with that nobody has named.
        literal: whether a path of the form that systemd takes is a directory of that
            name, and not refused.
    """

    name = "cgroupfs"

    def __init__(
        self,
        hierarchies: Hierarchies | None = None,
        *,
        prefix: str = PREFIX,
        literal: bool = False,
    ) -> None:
        self._given = hierarchies
        self._prefix = prefix
        self._literal = literal

    @property
    def _hierarchies(self) -> Hierarchies:
        # Read when a container is to be placed: who looks at one needs none of it.
        if self._given is None:
            self._given = read_hierarchies()
        return self._given

    def place(self, container_id: str, config: Config) -> Placement:
        """Return a directory in each v1 hierarchy, or one in the v2 hierarchy.

        Raises:
            UnsupportedError: nothing is mounted, or the path is for systemd.
        """
        if is_of_systemd(config) and not self._literal:
            need = "Factory(cgroups='systemd')"
            raise UnsupportedError(f"the cgroup {config.cgroups_path!r}", need)
        found = self._hierarchies
        if found.mode is CgroupMode.NONE:
            need = "a mounted cgroup file system, or a factory with cgroups disabled"
            raise UnsupportedError("a cgroup", need)
        return Placement(self._paths(found, container_id, config))

    def _paths(
        self, found: Hierarchies, container_id: str, config: Config
    ) -> dict[str, str]:
        name = f"{self._prefix}{container_id}"
        if found.mode is CgroupMode.UNIFIED and found.unified is not None:
            base = _unified_base(found.unified)
            both = {h.name: _path(h, h.own, name, config) for h in found.v1}
            wanted = _of_v1_alone(config.resources)
            paths = {n: p for n, p in both.items() if wanted & set(n.split(","))}
            return {**paths, UNIFIED: _path(found.unified, base, name, config)}
        return {h.name: _path(h, h.own, name, config) for h in found.v1}


class HybridCgroups(Cgroupfs):
    """As `Cgroupfs`; where v1 and v2 are mounted, in the hierarchies of both.

    Then v2 kills, freezes and tells of events, and has the controllers that v1 has
    not. A process enters v2 by a clone of its own, a quarter of a millisecond.
    """

    name = "hybrid"

    def _paths(
        self, found: Hierarchies, container_id: str, config: Config
    ) -> dict[str, str]:
        paths = super()._paths(found, container_id, config)
        if found.unified is not None and UNIFIED not in paths:
            base = _unified_base(found.unified)
            name = f"{self._prefix}{container_id}"
            paths[UNIFIED] = _path(found.unified, base, name, config)
        return paths


class AutoCgroups:
    """A cgroup wherever the caller may make one; else only if limits are asked."""

    name = "auto"

    def __init__(self, *, prefix: str = PREFIX) -> None:
        self._cgroupfs = Cgroupfs(prefix=prefix)
        # Directories that have been found to be the caller's to make cgroups in.
        self._own: set[str] = set()

    def place(self, container_id: str, config: Config) -> Placement:
        """Return the directories, or nothing where the caller may make none.

        Raises:
            UnsupportedError: *config* has limits and the caller may not.
        """
        # Rules that allow a device are passed over, as on v2 without privilege:
        # there is nothing that denies it. One that denies has to hold.
        limits = config.resources
        if limits.devices:
            denied = tuple(rule for rule in limits.devices if not rule.allow)
            limits = evolve(limits, devices=denied)
        wanted = limits != _UNLIMITED or config.cgroups_path is not None
        if is_of_systemd(config):
            return new_strategy("systemd").place(container_id, config)
        try:
            placement = self._cgroupfs.place(container_id, config)
        except UnsupportedError:
            if wanted:
                raise
            return Placement()
        if all(self._may_make(path) for path in placement.paths.values()):
            return placement
        if wanted:
            need = (
                "root, a cgroup that is delegated to you"
                " (systemd-run --user --scope -p Delegate=yes),"
                " or Factory(cgroups='systemd')"
            )
            raise UnsupportedError("limits on resources", need)
        return Placement()

    def _may_make(self, path: str) -> bool:
        parent = os.path.dirname(path)
        if parent in self._own:
            return True
        may = _is_writable(path)
        if may and os.path.isdir(parent):
            self._own.add(parent)
        return may


STRATEGIES = ("auto", "cgroupfs", "hybrid", "systemd", "disabled")
"""The words that strategies are chosen by."""


def new_strategy(name: str, *, prefix: str = PREFIX) -> CgroupStrategy:
    """Return the strategy of a word of `STRATEGIES`.

    Args:
        name: the word.
        prefix: what the name of a directory begins with that nobody has named.

    Raises:
        UnsupportedError: it needs what is not here.
    """
    if name == "systemd":
        # Loaded only then.
        from libcontainer.cgroups.systemd import Systemd  # noqa: PLC0415

        return Systemd()
    if name == NoCgroups.name:
        return NoCgroups()
    if name == "auto":
        return AutoCgroups(prefix=prefix)
    return (HybridCgroups if name == "hybrid" else Cgroupfs)(prefix=prefix)


def is_wanted(config: Config) -> bool:
    """Tell whether a configuration cannot do without a cgroup of its own."""
    return config.resources != _UNLIMITED or config.cgroups_path is not None


def is_of_systemd(config: Config) -> bool:
    """Tell whether a path is ``slice:prefix:name``."""
    return config.cgroups_path is not None and ":" in config.cgroups_path


def _of_v1_alone(resources: Resources) -> set[str]:
    """Return the controllers that are asked for and that v2 has not."""
    wanted = {
        "net_cls": resources.net_cls_classid is not None,
        "net_prio": bool(resources.net_prio),
    }
    return {controller for controller, is_asked in wanted.items() if is_asked}


def _path(hierarchy: Hierarchy, base: str, name: str, config: Config) -> str:
    wanted = config.cgroups_path
    if wanted is None:
        tail = f"{base.rstrip('/')}/{name}"
    elif wanted.startswith("/"):
        tail = wanted
    else:
        tail = f"{base.rstrip('/')}/{wanted}"
    return hierarchy.mount_point + tail


def _unified_base(hierarchy: Hierarchy) -> str:
    """Return the nearest cgroup that may have limited children."""
    path = hierarchy.own
    while path != "/":
        try:
            with open(f"{hierarchy.mount_point}{path}/cgroup.procs", "rb") as file:
                if not file.read(1):
                    break
        except OSError:
            pass
        path = os.path.dirname(path)
    return path


def _is_writable(path: str) -> bool:
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return os.access(path, os.W_OK)
