# SPDX-License-Identifier: Apache-2.0
"""Which cgroup a further process enters: the container's, or one below it."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence

from libcontainer.cgroups.group import Group
from libcontainer.cgroups.hierarchy import parse
from libcontainer.errors import CgroupError, ConfigError, Problem
from libcontainer.plan.cgroup import UNIFIED

_DOMAIN = frozenset({"cpu", "memory", "io", "hugetlb", "rdma", "misc", "dmem"})


def sub_group(group: Group, words: Sequence[str]) -> Group:
    """Return the cgroups below those of a container that words name.

    Args:
        group: the container's.
        words: each ``PATH``, for every hierarchy, or ``CONTROLLER[,...]:PATH``; the
            paths are of the container, ``/`` is its own cgroup.

    Raises:
        ConfigError: a path leaves the container's cgroup, or there is no such
            controller.
        CgroupError: there is no such cgroup.
    """
    paths = dict(group.paths)
    for word in words:
        controllers, colon, path = word.rpartition(":")
        parts = [part for part in path.split("/") if part]
        if ".." in parts:
            raise _wrong(f"bad sub cgroup path: {path!r} leaves the container's")
        for name in _named(group.paths, controllers) if colon else group.paths:
            paths[name] = "/".join([group.paths[name], *parts])
    for path in paths.values():
        if not os.path.isdir(path):
            raise CgroupError(errno.ENOENT, f"enter the cgroup {path}")
    return Group(paths)


def _named(paths: Mapping[str, str], controllers: str) -> list[str]:
    found = []
    for controller in controllers.split(","):
        names = [name for name in paths if controller in name.split(",")]
        if not names:
            raise _wrong(f"unknown controller {controller}")
        found += names
    return found


def _wrong(message: str) -> ConfigError:
    return ConfigError([Problem("cgroup", message)])


def joinable(group: Group, host_pid: int) -> Group:
    """Return the cgroup itself, or that of init where nothing can enter it.

    On v2 a cgroup whose children have limits has no processes: init has gone into
    one of them before.
    """
    path = group.paths.get(UNIFIED)
    if path is None or not group.is_unified:
        return group
    cgroup_of = f"/proc/{host_pid}/cgroup"
    try:
        with open(f"{path}/cgroup.subtree_control") as file:
            limited = not _DOMAIN.isdisjoint(file.read().split())
        if not limited:
            return group
        with open("/proc/self/mountinfo") as mounts, open(cgroup_of) as file:
            found = parse(mounts.read(), file.read()).unified
    except OSError:
        return group
    own = "" if found is None else found.mount_point + found.own
    return Group({UNIFIED: own}) if own.startswith(f"{path}/") else group
