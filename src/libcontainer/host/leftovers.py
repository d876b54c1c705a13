# SPDX-License-Identifier: Apache-2.0
"""Ends what a container leaves running where init is not of its own pid namespace.

The kernel ends every process of a pid namespace with its first one. A container
that shares the host's, or joins one, has no such protection: its processes are
found by the mount namespace that it has for itself. The kernel numbers mount
namespaces and uses no number twice (Linux 6.10), unlike their inodes.

This is a best effort: a process that has left for another mount namespace
(which needs CAP_SYS_ADMIN in the container) is not found.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Final

from libcontainer.bindings.pidfd import pidfd_open, pidfd_send_signal
from libcontainer.host.children import has_ended
from libcontainer.host.fds import close_all

_NS_GET_MNTNS_ID: Final = 0x8008B705
_SIZE: Final = 8
_OWN: Final = "/proc/thread-self/ns/mnt"


def mount_namespace_of(host_pid: int) -> int | None:
    """Return the number of the mount namespace of a process.

    The caller holds a pidfd of the process, and knows that it has not ended.

    Returns:
        The number, or None: the kernel does not tell it (not to a caller without
        privilege before the program runs), or it is that of the caller, which
        no container has for itself.
    """
    try:
        found = _number(f"/proc/{host_pid}/ns/mnt")
    except (PermissionError, FileNotFoundError):
        return None
    return None if found == _number(_OWN) else found


def end_leftovers(namespace: int, *, timeout: float) -> bool:
    """End every process of a mount namespace; tell whether none is left.

    Args:
        namespace: what `mount_namespace_of` said of the container's init.
        timeout: seconds after which it is given up.
    """
    if namespace == _number(_OWN):
        return True
    deadline = time.monotonic() + timeout
    # Again and again: one of them may have forked in between.
    while pidfds := list(_processes(namespace)):
        try:
            for pidfd in pidfds:
                with contextlib.suppress(ProcessLookupError):
                    pidfd_send_signal(pidfd, signal.SIGKILL)
            left = (max(0.0, deadline - time.monotonic()) for _ in pidfds)
            if not all(map(has_ended, pidfds, left)):
                return False
        finally:
            close_all(pidfds)
    return True


def _processes(namespace: int) -> Iterator[int]:
    """Return a pidfd of each process that is in a mount namespace."""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            pidfd = pidfd_open(int(name))
        except OSError:
            continue
        # The pidfd was there first: if its process lives on after the look,
        # then what was looked at is that process.
        if _is_in(name, namespace) and not has_ended(pidfd):
            yield pidfd
        else:
            os.close(pidfd)


def _is_in(pid: str, namespace: int) -> bool:
    try:
        return _number(f"/proc/{pid}/ns/mnt") == namespace
    except OSError:
        return False


def _number(path: str) -> int | None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        answer = fcntl.ioctl(fd, _NS_GET_MNTNS_ID, bytes(_SIZE))
    except OSError:
        return None
    finally:
        os.close(fd)
    return int.from_bytes(answer, sys.byteorder)
