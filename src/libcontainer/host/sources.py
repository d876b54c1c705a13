# SPDX-License-Identifier: Apache-2.0
"""Carries out the HOST steps that open something of the host for a plan's slots.

They change nothing that anybody else could see, so every kind of launch may have them.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import Any

from libcontainer.bindings.mount_setattr import AT_RECURSIVE, mount_setattr
from libcontainer.bindings.open_tree import OpenTreeFlag, open_tree
from libcontainer.host.fds import above_stdio
from libcontainer.host.launch import Launch
from libcontainer.plan.steps import (
    MakeTree,
    MapNamespace,
    OpenFifo,
    OpenPath,
    OpenTree,
    Step,
)

_CLONE = int(OpenTreeFlag.CLONE | OpenTreeFlag.CLOEXEC)
_CLONE_ALL = _CLONE | int(OpenTreeFlag.RECURSIVE)
_ALL = int(AT_RECURSIVE)


def run_source_step(launch: Launch, step: Step) -> None:
    """Carry out a HOST step of `SOURCES`, and no other.

    Raises:
        OSError: the kernel refused it.
        TypeError: it is of another kind.
    """
    run = SOURCES.get(type(step.action))
    if run is None:
        message = f"no such host step is expected here: {step!r}"
        raise TypeError(message)
    run(launch, step.action)


def open_tree_of(launch: Launch, action: OpenTree) -> None:
    """Open a detached copy of a mount, or of all beneath it.

    Raises:
        OSError: the kernel refused it, or it is another device than was checked.
    """
    flags = _CLONE_ALL if action.recursive else _CLONE
    if action.nofollow:
        flags |= OpenTreeFlag.SYMLINK_NOFOLLOW
    fd = above_stdio(open_tree(action.host_path, flags))
    launch.own(action.slot, fd)
    _check_device(fd, action.device)
    for change in action.changes:
        namespace = change.user_namespace
        mount_setattr(
            fd,
            attr_set=change.attr_set,
            attr_clr=change.attr_clr,
            propagation=change.propagation,
            userns_fd=launch.slots[namespace] if namespace >= 0 else None,
            flags=_ALL if change.recursive else 0,
        )


def _open_path(launch: Launch, action: OpenPath) -> None:
    flags = os.O_PATH | os.O_CLOEXEC | (os.O_NOFOLLOW if action.nofollow else 0)
    fd = above_stdio(os.open(action.host_path, flags))
    launch.own(action.slot, fd)
    _check_device(fd, action.device)


def _check_device(fd: int, device: tuple[int, int] | None) -> None:
    if device is None:
        return
    status = os.fstat(fd)
    found = (os.major(status.st_rdev), os.minor(status.st_rdev))
    is_device = stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)
    if not is_device or found != device:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))


def _make_tree(launch: Launch, action: MakeTree) -> None:
    # Rarely used, so loaded when it is.
    from libcontainer.host.filesystem import make_filesystem  # noqa: PLC0415

    tree = make_filesystem(action.fstype, action.options, action.attributes)
    launch.own(action.slot, above_stdio(tree))


def _map_namespace(launch: Launch, action: MapNamespace) -> None:
    from libcontainer.host.mapping import new_user_namespace  # noqa: PLC0415

    fd = new_user_namespace(launch.helper, action.uid_map, action.gid_map)
    launch.own(action.slot, above_stdio(fd))


def _open_fifo(launch: Launch, action: OpenFifo) -> None:
    from libcontainer.host.fifo import open_folder  # noqa: PLC0415 - rare

    launch.own(action.slot, above_stdio(open_folder(action.host_path)))


SOURCES: dict[type[Any], Callable[[Launch, Any], None]] = {
    OpenPath: _open_path,
    OpenTree: open_tree_of,
    MakeTree: _make_tree,
    MapNamespace: _map_namespace,
    OpenFifo: _open_fifo,
}
