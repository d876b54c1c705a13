# SPDX-License-Identifier: Apache-2.0
"""Carries out the HOST steps of a plan. One function a kind of step."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable
from typing import Any

from attrs import define

from libcontainer.bindings.mount_setattr import AT_RECURSIVE, mount_setattr
from libcontainer.bindings.open_tree import OpenTreeFlag, open_tree
from libcontainer.host.fds import above_stdio
from libcontainer.host.idmap import write_maps
from libcontainer.host.launch import Launch
from libcontainer.host.store import Folder
from libcontainer.plan.steps import (
    Listen,
    MapIds,
    OpenNotify,
    OpenPath,
    OpenStatus,
    OpenTree,
    RecordState,
    SendPidfd,
    Step,
    UseTemplate,
)

_BACKLOG = 8


@define
class HostActions:
    """What the HOST steps of one launch need.

    Attributes:
        folder: the container's state folder, locked.
        template: fd of the template mount namespace, or -1.
        record: saves the state of a container whose init is of this launch.
        pidfd_socket: where its pidfd is to be sent: a path, an fd or None.
    """

    folder: Folder
    template: int
    record: Callable[[str, Launch], None]
    pidfd_socket: str | int | None = None

    def __call__(self, launch: Launch, step: Step) -> None:
        """Carry out one HOST step.

        Raises:
            OSError: the kernel refused it.
        """
        _RUNNERS[type(step.action)](self, launch, step.action)


@define
class JoinActions:
    """What the HOST steps of a further process need.

    Attributes:
        pidfd_socket: where its pidfd is to be sent: a path, an fd or None.
    """

    pidfd_socket: str | int | None = None

    def __call__(self, launch: Launch, step: Step) -> None:
        """Carry out one HOST step.

        Raises:
            OSError: the kernel refused it.
        """
        _RUNNERS[type(step.action)](self, launch, step.action)


def _open_tree(actions: HostActions, launch: Launch, action: OpenTree) -> None:
    flags = OpenTreeFlag.CLONE | OpenTreeFlag.CLOEXEC
    if action.recursive:
        flags |= OpenTreeFlag.RECURSIVE
    fd = above_stdio(open_tree(action.host_path, flags))
    launch.own(action.slot, fd)
    _check_device(fd, action.device)
    if action.attr_set or action.propagation:
        mount_setattr(
            fd,
            attr_set=action.attr_set,
            propagation=action.propagation,
            flags=AT_RECURSIVE if action.recursive else 0,
        )


def _open_path(
    actions: HostActions | JoinActions, launch: Launch, action: OpenPath
) -> None:
    fd = above_stdio(os.open(action.host_path, os.O_PATH | os.O_CLOEXEC))
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


def _use_template(actions: HostActions, launch: Launch, action: UseTemplate) -> None:
    launch.slots[action.slot] = actions.template


def _listen(actions: HostActions, launch: Launch, action: Listen) -> None:
    gate = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    try:
        gate.bind(actions.folder.gate_address)
        gate.listen(_BACKLOG)
    except BaseException:
        gate.close()
        raise
    launch.own(action.slot, above_stdio(gate.detach()))


def _open_status(actions: HostActions, launch: Launch, action: OpenStatus) -> None:
    read, write = (above_stdio(fd) for fd in os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK))
    launch.status = read
    launch.own(action.slot, write)


def _open_notify(actions: HostActions, launch: Launch, action: OpenNotify) -> None:
    from libcontainer.host.notify import open_inside, open_manager  # noqa: PLC0415

    manager = open_manager(action.address)
    launch.notify.append(manager)
    inside = open_inside()
    launch.notify.append(inside)
    launch.own(action.slot, above_stdio(os.dup(inside.fileno())))


def _send_pidfd(
    actions: HostActions | JoinActions, launch: Launch, action: SendPidfd
) -> None:
    from libcontainer.host.passing import send_pidfd  # noqa: PLC0415

    if actions.pidfd_socket is not None:
        send_pidfd(launch.pidfd, actions.pidfd_socket)


def _map_ids(actions: HostActions, launch: Launch, action: MapIds) -> None:
    write_maps(
        launch.host_pid,
        launch.pidfd,
        action.uid_map,
        action.gid_map,
        deny_setgroups=action.deny_setgroups,
    )


def _record_state(actions: HostActions, launch: Launch, action: RecordState) -> None:
    actions.record(action.status, launch)


_RUNNERS: dict[type[Any], Callable[[Any, Launch, Any], None]] = {
    OpenTree: _open_tree,
    OpenPath: _open_path,
    UseTemplate: _use_template,
    Listen: _listen,
    OpenNotify: _open_notify,
    OpenStatus: _open_status,
    SendPidfd: _send_pidfd,
    MapIds: _map_ids,
    RecordState: _record_state,
}
