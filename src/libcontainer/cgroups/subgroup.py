# SPDX-License-Identifier: Apache-2.0
"""The cgroup of a single process in a container: one that is there, or one of its own.

In v2 a cgroup with processes gives its children no controllers (cgroups(7), *No
internal processes*). So before the first process with limits of its own, those in the
container's cgroup move to a leaf below it, where who joins without limits goes as well.
"""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import secrets
import time
from collections.abc import Mapping
from typing import Final

from attrs import evolve

from libcontainer.cgroups.directories import is_below, members, words
from libcontainer.cgroups.group import Group, Joined
from libcontainer.cgroups.hierarchy import read_hierarchies
from libcontainer.cgroups.limits import update_limits
from libcontainer.cgroups.making import enable_controllers
from libcontainer.cgroups.values import read_value, write_value
from libcontainer.config import Resources
from libcontainer.errors import CgroupError, ConfigError, Problem
from libcontainer.plan.unified import UNIFIED

LEAF: Final = "main"
"""The cgroup that a container's processes move to when one gets its own limits."""
PREFIX: Final = "exec-"
_RANDOM_BYTES: Final = 4
_SECONDS: Final = 5.0


def join_group(
    group: Group, path: str | None, resources: Resources | None, init_pid: int
) -> Joined:
    """Return where a further process of a container goes, made if need be.

    Args:
        group: the container's cgroup.
        path: a cgroup below it that is there, a relative path; None for itself, or for
            where init is if v2 takes no processes there.
        resources: limits of the process alone; None for none.
        init_pid: host pid of the container's init.

    Raises:
        CgroupError: it is not there, or a limit was refused; nothing is left.
        UnsupportedError: a limit that this version of cgroups does not have.
    """
    base = group if path is None else _below(group, path)
    if resources is None or resources == Resources():
        return Joined(_open_to_processes(base, group, init_pid))
    _remove_left(base)
    name = f"{PREFIX}{secrets.token_hex(_RANDOM_BYTES)}"
    writes = update_limits(resources, base.paths)
    needed = {write.controller for write in writes}
    paths = {
        hierarchy: f"{directory}/{name}"
        for hierarchy, directory in base.paths.items()
        if _has_any(group, hierarchy, needed)
    }
    if UNIFIED in paths:
        _make_room(base.paths[UNIFIED])
    own = Group(paths)
    own.make(writes)
    rest = _open_to_processes(base, group, init_pid)
    return Joined(_within(group, {**rest.paths, **paths}), own)


def _remove_left(base: Group) -> None:
    """Remove what earlier processes have left, once it is empty.

    Each is made and entered while the container's lock is held, so nobody is on the way
    into one that is empty.
    """
    length = len(PREFIX) + 2 * _RANDOM_BYTES
    for directory in base.paths.values():
        with contextlib.suppress(OSError):
            for name in os.listdir(directory):
                if name.startswith(PREFIX) and len(name) == length:
                    with contextlib.suppress(OSError):
                        os.rmdir(f"{directory}/{name}")


def _within(whole: Group, paths: Mapping[str, str]) -> Group:
    """Return a part of a cgroup; systemd knows it by its path in the unit."""
    unit, path = whole.unit, paths.get(UNIFIED)
    if unit is None or path is None:
        return Group(paths, unit)
    below = path.removeprefix(whole.paths[UNIFIED])
    return Group(
        paths, evolve(unit, subgroup=f"{unit.subgroup or ''}{below}".strip("/"))
    )


def _has_any(group: Group, hierarchy: str, controllers: set[str]) -> bool:
    path = group.paths[hierarchy]
    return any(group.directory(controller) == path for controller in controllers)


def _below(group: Group, path: str) -> Group:
    paths = dict(group.paths)
    for word in path.split(";"):
        controllers, _, below = word.rpartition(":")
        for name in _named(group, controllers) if controllers else group.paths:
            paths[name] = posixpath.normpath(f"{group.paths[name]}/{below}")
    for directory in paths.values():
        if not os.path.isdir(directory):
            what = f"enter the cgroup {directory}"
            raise CgroupError(errno.ENOENT, what, hint="make it first")
    return _within(group, paths)


def _named(group: Group, controllers: str) -> list[str]:
    """Return the hierarchies that have controllers."""
    found = []
    for controller in controllers.split(","):
        names = [name for name in group.paths if controller in name.split(",")]
        if not names:
            message = f"unknown controller {controller} in this container's cgroups"
            raise ConfigError([Problem("process.cgroup", message)])
        found += names
    return found


def _open_to_processes(base: Group, whole: Group, init_pid: int) -> Group:
    """Return *base*, with the cgroup that init is in where v2 refuses processes."""
    path = base.paths.get(UNIFIED)
    if path is None or base is not whole or not base.refuses_processes():
        return base
    own = _unified_of(init_pid)
    if own is not None and is_below(own, path):
        return _within(whole, {**base.paths, UNIFIED: own})
    if os.path.isdir(path):
        what = f"enter the cgroup {path}"
        hint = "it has cgroups with controllers below it, and init has left it"
        raise CgroupError(errno.EBUSY, what, hint=hint)
    if own is None or whole.unit is not None:
        return base  # To enter what is gone fails, and says so.
    return _within(whole, {**base.paths, UNIFIED: own})


def _unified_of(pid: int) -> str | None:
    hierarchy = read_hierarchies().unified
    with contextlib.suppress(OSError):
        for line in read_value(f"/proc/{pid}/cgroup").splitlines():
            if line.startswith("0::/") and hierarchy is not None:
                return f"{hierarchy.mount_point}{line[3:].rstrip('/')}"
    return None


def _make_room(path: str) -> None:
    """Let the children of a v2 cgroup have controllers: its processes go to a leaf."""
    if words(f"{path}/cgroup.subtree_control") >= words(f"{path}/cgroup.controllers"):
        return
    leaf = f"{path}/{LEAF}"
    deadline = time.monotonic() + _SECONDS
    while found := members(path):
        with contextlib.suppress(FileExistsError):
            os.mkdir(leaf, 0o755)
        for pid in found:
            # One that ends meanwhile is in nobody's way.
            with contextlib.suppress(ProcessLookupError):
                write_value(f"{leaf}/cgroup.procs", str(pid))
        if time.monotonic() >= deadline:
            what = f"move the processes of the cgroup {path} to {LEAF!r}"
            raise CgroupError(errno.ETIMEDOUT, what, hint="new ones come all the time")
    enable_controllers(path)
