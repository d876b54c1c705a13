# SPDX-License-Identifier: Apache-2.0
"""Where a container's cgroup is, and who makes it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Protocol

from attrs import evolve

from libcontainer.cgroups import v1, v2
from libcontainer.cgroups.device_program import device_program
from libcontainer.cgroups.devices import default_rules
from libcontainer.cgroups.hierarchy import (
    CgroupMode,
    Hierarchies,
    Hierarchy,
    read_hierarchies,
)
from libcontainer.cgroups.writes import DeviceFilter, Write
from libcontainer.config import Config, DeviceRule, Resources
from libcontainer.errors import UnsupportedError
from libcontainer.plan.unified import UNIFIED

PREFIX = "libcontainer-"
"""What the name of a cgroup begins with that nobody has named."""


_UNLIMITED = Resources()


class CgroupStrategy(Protocol):
    """Decides about the cgroup of a container. It changes nothing itself."""

    @property
    def name(self) -> str:
        """The word it is chosen by."""

    def place(self, container_id: str, config: Config) -> Mapping[str, str]:
        """Return the directories of a container's cgroup.

        Returns:
            Host paths by hierarchy (`libcontainer.cgroups.group.Group`); none at
            all leaves the container in the cgroup of its caller.

        Raises:
            UnsupportedError: *config* asks for limits that cannot hold here.
        """


class NoCgroups:
    """Leaves every container in the cgroup of its caller."""

    name = "disabled"

    def place(self, container_id: str, config: Config) -> Mapping[str, str]:
        """Return nothing.

        Raises:
            UnsupportedError: *config* has limits, or names a cgroup.
        """
        del container_id
        if config.resources != _UNLIMITED or config.cgroups_path is not None:
            need = "a factory whose cgroups are not disabled"
            raise UnsupportedError("limits on resources", need)
        return {}


class Cgroupfs:
    """Makes directories in the mounted hierarchies, v1, v2 or both.

    A container without a path of its own gets ``libcontainer-ID`` below the
    cgroup of the caller (v1), so that the caller's own limits hold for it too.
    In v2 a cgroup with processes has no limited children, so there it is below
    the nearest one above that has none.
    """

    name = "cgroupfs"

    def __init__(self, hierarchies: Hierarchies | None = None) -> None:
        self._hierarchies = read_hierarchies() if hierarchies is None else hierarchies

    def place(self, container_id: str, config: Config) -> Mapping[str, str]:
        """Return a directory in each v1 hierarchy, or one in the v2 hierarchy."""
        found = self._hierarchies
        if found.mode is CgroupMode.NONE:
            need = "a mounted cgroup file system, or a factory with cgroups disabled"
            raise UnsupportedError("a cgroup", need)
        if found.mode is CgroupMode.UNIFIED and found.unified is not None:
            base = _unified_base(found.unified)
            return {UNIFIED: _path(found.unified, base, container_id, config)}
        return {h.name: _path(h, h.own, container_id, config) for h in found.v1}


class AutoCgroups:
    """A cgroup wherever the caller may make one; else only if limits are asked."""

    name = "auto"

    def __init__(self) -> None:
        self._cgroupfs = Cgroupfs()

    def place(self, container_id: str, config: Config) -> Mapping[str, str]:
        """Return the directories, or nothing where the caller may make none.

        Raises:
            UnsupportedError: *config* has limits and the caller may not.
        """
        # Rules for devices are passed over, as v2 does: who may make no cgroup can
        # make no device node either.
        limits = config.resources
        if limits.devices:
            limits = evolve(limits, devices=())
        wanted = limits != _UNLIMITED or config.cgroups_path is not None
        try:
            paths = self._cgroupfs.place(container_id, config)
        except UnsupportedError:
            if wanted:
                raise
            return {}
        if all(_is_writable(path) for path in paths.values()):
            return paths
        if wanted:
            need = (
                "root, or a cgroup that is delegated to you"
                " (systemd-run --user --scope -p Delegate=yes)"
            )
            raise UnsupportedError("limits on resources", need)
        return {}


STRATEGIES: dict[str, type[CgroupStrategy]] = {
    "auto": AutoCgroups,
    "cgroupfs": Cgroupfs,
    "disabled": NoCgroups,
}
"""The strategies by the word they are chosen by."""


def limits(config: Config, paths: Mapping[str, str]) -> tuple[Write, ...]:
    """Return what is written into a new cgroup of *config* at *paths*.

    Raises:
        UnsupportedError: a limit that this version of cgroups does not have.
    """
    if not paths:
        return ()
    nothing = DeviceRule(allow=False)
    return _writes(config.resources, paths, (nothing, *default_rules(config.devices)))


def update_limits(resources: Resources, paths: Mapping[str, str]) -> tuple[Write, ...]:
    """Return what is written to change a cgroup that is in use.

    Raises:
        UnsupportedError: a limit that this version of cgroups does not have.
    """
    return _writes(resources, paths, ())


def _writes(
    resources: Resources, paths: Mapping[str, str], standard: tuple[DeviceRule, ...]
) -> tuple[Write, ...]:
    if list(paths) == [UNIFIED]:
        _refuse(resources, v2.V1_ONLY, "cgroup v1, which is not what is mounted here")
        return (*v2.writes(resources), *_device_filter(resources, standard))
    _refuse(resources, v1.V2_ONLY, "cgroup v2, which is not what is mounted here")
    return v1.writes(resources, (*standard, *resources.devices))


def _device_filter(
    resources: Resources, standard: tuple[DeviceRule, ...]
) -> tuple[Write, ...]:
    if not standard:
        if not resources.devices:
            return ()
        need = "cgroup v1: on v2 the rules of a container are those it was made with"
        raise UnsupportedError("an update of resources.devices", need)
    rules = (*standard, *resources.devices)
    asked = not all(rule.allow for rule in resources.devices)
    program = device_program(rules)
    what = f"{len(rules)} rules"
    return (DeviceFilter("cgroup", "devices", what, not asked, program),)


def _refuse(resources: Resources, names: tuple[str, ...], need: str) -> None:
    for name in names:
        if getattr(resources, name) not in {None, ()}:
            raise UnsupportedError(f"resources.{name}", need)


def _path(hierarchy: Hierarchy, base: str, container_id: str, config: Config) -> str:
    wanted = config.cgroups_path
    if wanted is None:
        tail = f"{base.rstrip('/')}/{PREFIX}{container_id}"
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
