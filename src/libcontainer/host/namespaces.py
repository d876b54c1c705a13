# SPDX-License-Identifier: Apache-2.0
"""Namespaces that are there already: opened, checked, and looked into."""

from __future__ import annotations

import errno
import fcntl
import os

from attrs import frozen

from libcontainer.bindings.statfs import fs_type
from libcontainer.config import IdMapping, NamespaceType
from libcontainer.host.fds import above_stdio
from libcontainer.host.idmap import read_map
from libcontainer.host.launch import Launch
from libcontainer.host.procdir import process_directory, read_text, write_once
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.compiled import Compiled
from libcontainer.plan.facts import UserMaps
from libcontainer.plan.steps import OpenNamespace, Plan, Spawn, Step

_NSFS_MAGIC = 0x6E736673
_NS_GET_NSTYPE = 0xB703
_DEADLINE_SECONDS = 10.0


def open_namespace(host_path: str, flag: int) -> int:
    """Open a namespace; the result is one of the kind that is meant.

    Args:
        host_path: a file of /proc/PID/ns, or one on which such is bound.
        flag: its ``CLONE_NEW*``.

    Returns:
        An fd, close-on-exec, for setns(2).

    Raises:
        OSError: it cannot be opened; ``EINVAL``: it is no namespace of the kind.
    """
    # First only as a name: to open what is no namespace could do anything.
    name = os.open(host_path, os.O_PATH | os.O_CLOEXEC)
    try:
        if fs_type(name) != _NSFS_MAGIC:
            raise _not_of_kind()
        fd = above_stdio(os.open(f"/proc/self/fd/{name}", os.O_RDONLY | os.O_CLOEXEC))
    finally:
        os.close(name)
    if fcntl.ioctl(fd, _NS_GET_NSTYPE) == flag:
        return fd
    os.close(fd)
    raise _not_of_kind()


def _not_of_kind() -> OSError:
    return OSError(errno.EINVAL, os.strerror(errno.EINVAL))


def is_own(fd: int, kind: NamespaceType) -> bool:
    """Tell whether a namespace is the one that the caller is in."""
    own = os.stat(f"/proc/thread-self/ns/{kind.proc_name}")
    return os.path.samestat(os.fstat(fd), own)


def set_clocks(
    host_pid: int, pidfd: int, offsets: tuple[tuple[str, int, int], ...]
) -> None:
    """Set the clocks of the time namespace that children of a process will be in.

    Args:
        host_pid: the process, in the caller's pid namespace.
        pidfd: the same process.
        offsets: (clock, seconds, nanoseconds) ahead of the caller's.

    Raises:
        OSError: ``ERANGE``: a clock would be before 0 or too far ahead;
            ``EACCES``: a process is in the namespace already.
    """
    rows = [f"{clock} {seconds} {nanos}\n" for clock, seconds, nanos in offsets]
    with process_directory(host_pid, pidfd) as directory:
        write_once(directory, "timens_offsets", "".join(rows))


def maps_of_process(host_pid: int, pidfd: int) -> UserMaps:
    """Return the maps of the user namespace of a process.

    Raises:
        ProcessLookupError: the process has ended.
    """
    with process_directory(host_pid, pidfd) as directory:
        return UserMaps(
            uids=tuple(IdMapping(*extent) for extent in read_map(directory, "uid_map")),
            gids=tuple(IdMapping(*extent) for extent in read_map(directory, "gid_map")),
            setgroups=read_text(directory, "setgroups").strip() == "allow",
        )


@frozen
class ReadMaps:
    """Read the id maps of the process that is being launched."""

    @property
    def title(self) -> str:
        """What the step does."""
        return "read the id maps of the user namespace"


def maps_of_namespace(host_path: str, helper: int) -> UserMaps:
    """Return the maps of a user namespace, which a throw-away process joins.

    Args:
        host_path: the namespace.
        helper: fd of the helper's image.

    Raises:
        StepError: it is no user namespace, or cannot be joined.
    """
    found: list[UserMaps] = []

    def act(launch: Launch, step: Step) -> None:
        if isinstance(step.action, OpenNamespace):
            fd = open_namespace(step.action.host_path, step.action.flag)
            launch.own(step.action.slot, fd)
        else:
            pidfd, host_pid = launch.at_work
            found.append(maps_of_process(host_pid, pidfd))

    launch = Launch(
        Compiled(_compile_look(host_path)),
        helper=helper,
        run_host_step=act,
        deadline_seconds=_DEADLINE_SECONDS,
    )
    try:
        launch.run({})
    finally:
        launch.abort()
    return found[0]


def _compile_look(host_path: str) -> Plan:
    flag = NamespaceType.USER.clone_flag
    builder = Builder()
    builder.stage("sources")
    slot = builder.slot(host_path, given=True)
    builder.host(OpenNamespace(slot, host_path, flag))
    builder.stage("spawn")
    builder.host(Spawn(0))
    builder.stage("namespaces")
    builder.init(ops.Setns(slot, flag, repr(host_path)))
    builder.stage("maps")
    builder.host(ReadMaps())
    return builder.build()
