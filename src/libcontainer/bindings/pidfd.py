# SPDX-License-Identifier: Apache-2.0
"""pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2), and what a pidfd can tell.

A pidfd stays with one process for ever, also when its number is used again.
"""

from __future__ import annotations

import errno
import os
from enum import IntFlag
from typing import NamedTuple

from libcontainer.bindings._lib import call_failed, check, ffi, lib

_NAMESPACES = {
    "cgroup": 1,
    "ipc": 2,
    "mnt": 3,
    "net": 4,
    "pid": 5,
    "pid_for_children": 6,
    "time": 7,
    "time_for_children": 8,
    "user": 9,
    "uts": 10,
}


class PidfdFlag(IntFlag):
    """Flags of `pidfd_open` (the first two) and of `pidfd_send_signal`."""

    NONBLOCK = os.O_NONBLOCK
    THREAD = os.O_EXCL
    SIGNAL_THREAD = 1
    SIGNAL_THREAD_GROUP = 2
    SIGNAL_PROCESS_GROUP = 4


class PidfdInfoMask(IntFlag):
    """``PIDFD_INFO_*``."""

    PID = 0x1
    CREDS = 0x2
    CGROUPID = 0x4
    EXIT = 0x8
    COREDUMP = 0x10


class PidfdInfo(NamedTuple):
    """What the kernel says of a process; ids are those of the caller's namespaces.

    Attributes:
        mask: which of the following the kernel has filled in; the others are None.
        cgroup_id: the inode number of its cgroup v2.
        pid: its thread id.
        tgid: its PID.
        ppid: the PID of its parent, 0 if that is out of sight.
        uids: real, effective, saved and filesystem user id.
        gids: the same of its group.
        exit_code: as of waitpid(2), also if another part of the program reaped it;
            None until it is reaped.
        coredump_mask: 1: it dumped core; 2: it did not; 4 and 8: it would, readable by
            its user, or by root only.
    """

    mask: PidfdInfoMask
    cgroup_id: int | None = None
    pid: int | None = None
    tgid: int | None = None
    ppid: int | None = None
    uids: tuple[int, int, int, int] | None = None
    gids: tuple[int, int, int, int] | None = None
    exit_code: int | None = None
    coredump_mask: int | None = None


_EVERYTHING = (
    PidfdInfoMask.PID
    | PidfdInfoMask.CREDS
    | PidfdInfoMask.CGROUPID
    | PidfdInfoMask.EXIT
    | PidfdInfoMask.COREDUMP
)


def pidfd_open(pid: int, flags: int = 0) -> int:
    """Return a pidfd of a process of the caller's PID namespace.

    Between learning a PID and this call it may have become another's: check afterwards
    what must be true of the process.

    Args:
        pid: its PID.
        flags: ``NONBLOCK`` (Linux 5.10): `waitid` then fails with ``EAGAIN`` instead of
            blocking; ``THREAD`` (Linux 6.9): *pid* may be any thread.

    Returns:
        An fd, close-on-exec.

    Raises:
        ProcessLookupError: there is no such process.
        OSError: ``EINVAL``: a thread that is not its leader, or *pid* <= 0.

    Linux >= 5.3.
    """
    pidfd = lib.lc_pidfd_open(pid, flags)
    if pidfd < 0:
        check(pidfd, "pidfd_open", pid, PidfdFlag(flags))
    return pidfd


def pidfd_send_signal(pidfd: int, number: int, flags: int = 0) -> None:
    """Send a signal to a process.

    Args:
        pidfd: of the process.
        number: of the signal; 0 only checks.
        flags: ``SIGNAL_*`` (Linux 6.9): another scope than the pidfd's own.

    Raises:
        ProcessLookupError: it has been reaped.
        PermissionError: it is another user's.

    Linux >= 5.1. As kill(2): the same user, or CAP_KILL over its user namespace.
    """
    result = lib.lc_pidfd_send_signal(pidfd, number, flags)
    check(result, "pidfd_send_signal", pidfd, int(number), PidfdFlag(flags))


def pidfd_getfd(pidfd: int, target_fd: int) -> int:
    """Return a duplicate of another process's fd.

    Args:
        pidfd: of the process.
        target_fd: its number there.

    Returns:
        An fd, close-on-exec.

    Raises:
        OSError: ``EBADF``: no such fd there; ``EPERM``: as for ptrace(2),
            ``PTRACE_MODE_ATTACH_REALCREDS``; ``ESRCH``: it has ended.

    Linux >= 5.6.
    """
    fd = lib.lc_pidfd_getfd(pidfd, target_fd)
    return check(fd, "pidfd_getfd", pidfd, target_fd)


def pidfd_get_info(pidfd: int, mask: int = _EVERYTHING) -> PidfdInfo:
    """Return what the kernel knows of a process, ended or not.

    Args:
        pidfd: of the process; it must have been opened before the process was reaped.
        mask: `PidfdInfoMask`: what to ask for. The kernel may fill in less, or more.

    Raises:
        ProcessLookupError: it is gone, and ``EXIT`` was not asked for or is not known.
        OSError: ``ENOTTY``, ``EINVAL``: the kernel is older than 6.13, or *pidfd* is
            none.

    Linux >= 6.13, ``EXIT`` 6.15, ``COREDUMP`` 6.16.
    """
    raw = ffi.new("struct lc_pidfd_info *")
    raw.mask = int(mask)
    result = lib.lc_pidfd_get_info(pidfd, raw)
    check(result, "ioctl", pidfd, "PIDFD_GET_INFO", PidfdInfoMask(mask))
    has = PidfdInfoMask(raw.mask)
    pids = bool(has & PidfdInfoMask.PID and raw.pid)
    creds = bool(has & PidfdInfoMask.CREDS)
    return PidfdInfo(
        mask=has,
        cgroup_id=raw.cgroup_id if has & PidfdInfoMask.CGROUPID else None,
        pid=raw.pid if pids else None,
        tgid=raw.tgid if pids else None,
        ppid=raw.ppid if pids else None,
        uids=(raw.ruid, raw.euid, raw.suid, raw.fsuid) if creds else None,
        gids=(raw.rgid, raw.egid, raw.sgid, raw.fsgid) if creds else None,
        exit_code=raw.exit_code if has & PidfdInfoMask.EXIT else None,
        coredump_mask=raw.coredump_mask if has & PidfdInfoMask.COREDUMP else None,
    )


def pidfd_pid(pidfd: int) -> int:
    """Return the PID, in the caller's PID namespace, of the process behind a pidfd.

    Before Linux 6.13 it is read from the fdinfo of the caller's ``/proc``.

    Raises:
        ProcessLookupError: the process has been reaped, or is out of the namespace.
        OSError: ``EBADF``, ``EINVAL``: no pidfd.
    """
    try:
        pid = pidfd_get_info(pidfd, PidfdInfoMask.PID).tgid
    except OSError as error:
        if error.errno not in (errno.ENOTTY, errno.EINVAL):
            raise
        pid = _pid_of_fdinfo(pidfd)
    if not pid or pid < 0:
        raise call_failed(f"ioctl({pidfd}, PIDFD_GET_INFO, PID)", errno.ESRCH)
    return pid


def _pid_of_fdinfo(pidfd: int) -> int:
    with open(f"/proc/self/fdinfo/{pidfd}", "rb") as lines:
        for line in lines:
            name, _, value = line.partition(b":")
            if name == b"Pid":
                return int(value)
    raise call_failed(f"ioctl({pidfd}, PIDFD_GET_INFO, PID)", errno.EINVAL)


def pidfd_get_namespace(pidfd: int, name: str) -> int:
    """Open a namespace of a process, without its ``/proc``.

    Args:
        pidfd: of the process.
        name: as in ``/proc/PID/ns``: ``"mnt"``, ``"net"``, ``"pid_for_children"``, ….

    Returns:
        An fd, close-on-exec, for `libcontainer.bindings.setns.setns`.

    Raises:
        ValueError: no such name.
        OSError: ``ESRCH``: it has ended; ``EPERM``, ``EACCES``: as for ptrace(2);
            ``ENOTTY``: the kernel is older.

    Linux >= 6.11.
    """
    if name not in _NAMESPACES:
        message = f"no namespace is called {name!r}; there are {', '.join(_NAMESPACES)}"
        raise ValueError(message)
    fd = lib.lc_pidfd_get_namespace(pidfd, _NAMESPACES[name])
    return check(fd, "ioctl", pidfd, f"PIDFD_GET_{name.upper()}_NAMESPACE")
