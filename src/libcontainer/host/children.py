# SPDX-License-Identifier: Apache-2.0
"""Children by pidfd: how they ended, and making sure they did.

Only our own pidfds are waited for, so no other child of the program is ever
reaped. Where somebody else reaped ours, or the program ignores SIGCHLD, the
kernel still knows the status (`PIDFD_GET_INFO`, Linux 6.15).
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import struct
import time
from collections.abc import Iterable

from attrs import frozen

from libcontainer.bindings.pidfd import (
    pidfd_get_info,
    pidfd_open,
    pidfd_send_signal,
)
from libcontainer.bindings.waitid import WaitFlag, waitid
from libcontainer.host.fds import above_stdio

_IF_ENDED = int(WaitFlag.WEXITED | WaitFlag.WNOHANG)
_WALL = 0x40000000
_REAP_ANY = _IF_ENDED | _WALL
_STATUS = struct.Struct("=i")
_CLD_EXITED = 1
_LONGEST_POLL = 2**31 - 1
_CLD_DUMPED = 3


@frozen
class ExitStatus:
    """How a process ended.

    Attributes:
        code: its exit code, 0 to 255, or None if a signal ended it.
        signal: the number of the signal that ended it, or None.
        core: whether it left a core dump.

    Both are None where nobody can know: another part of the program reaped the
    process, and the kernel is older than 6.15.
    """

    code: int | None = None
    signal: int | None = None
    core: bool = False

    @property
    def returncode(self) -> int:
        """As `subprocess` has it: the exit code, or minus the signal.

        Raises:
            ChildProcessError: the status is not known.
        """
        if self.signal is not None:
            return -self.signal
        if self.code is None:
            message = "exit status lost: somebody else reaped the process"
            raise ChildProcessError(message)
        return self.code

    @property
    def shell(self) -> int:
        """As a shell has it: the exit code, or 128 plus the signal."""
        code = self.returncode
        return code if code >= 0 else 128 - code


def reap(pidfd: int) -> ExitStatus | None:
    """Return how the process ended, or None while it runs; never blocks."""
    try:
        ended = waitid(pidfd, _IF_ENDED)
    except ChildProcessError:
        return lost_status(pidfd) if has_ended(pidfd) else None
    if ended is None:
        return None
    return decode_info(*ended)


def lost_status(pidfd: int) -> ExitStatus:
    """Return the status of a process that somebody else reaped."""
    try:
        raw = pidfd_get_info(pidfd).exit_code
    except OSError:
        return ExitStatus()
    return ExitStatus() if raw is None else decode(raw)


def read_status(fd: int) -> ExitStatus | None:
    """Return the status that an init wrote of its child, None if it did not."""
    try:
        data = os.read(fd, _STATUS.size)
    except BlockingIOError:
        return None
    return decode(*_STATUS.unpack(data)) if len(data) == _STATUS.size else None


def decode_info(code: int, status: int) -> ExitStatus:
    """Return the status that waitid(2) has told in two numbers."""
    if code == _CLD_EXITED:
        return ExitStatus(code=status)
    return ExitStatus(signal=status, core=code == _CLD_DUMPED)


def decode(raw: int) -> ExitStatus:
    """Return the status that wait(2) tells in one number."""
    if os.WIFSIGNALED(raw):
        return ExitStatus(signal=os.WTERMSIG(raw), core=os.WCOREDUMP(raw))
    return ExitStatus(code=os.WEXITSTATUS(raw))


def last_status(pidfd: int) -> ExitStatus:
    """Return the status of an ended process that somebody else is to reap."""
    # The kernel tells the status of somebody else's child once it is reaped,
    # which may be a moment after it has ended.
    deadline = time.monotonic() + 1.0
    status = lost_status(pidfd)
    while status == ExitStatus() and time.monotonic() < deadline:
        time.sleep(0.002)
        status = lost_status(pidfd)
    return status


def has_ended(pidfd: int, timeout: float | None = 0) -> bool:
    """Tell whether the process has ended, at the latest after *timeout* seconds.

    None waits for ever. The process may still be a zombie.
    """
    return any_ended([pidfd], timeout)


def any_ended(pidfds: Iterable[int], timeout: float | None) -> bool:
    """Tell whether any of the processes has ended; else as `has_ended`."""
    poll = select.poll()
    for pidfd in pidfds:
        poll.register(pidfd, select.POLLIN)
    left = math.inf if timeout is None else timeout
    # More at once poll(2) does not take: about 24 days.
    while left * 1000 > _LONGEST_POLL:
        if poll.poll(_LONGEST_POLL):
            return True
        left -= _LONGEST_POLL / 1000
    return bool(poll.poll(max(0, int(left * 1000 + 0.999))))


def open_child(host_pid: int) -> int:
    """Return a pidfd of a child that nobody has reaped; where there is none, end it.

    So no pid can be another's by now.
    """
    try:
        return above_stdio(pidfd_open(host_pid))
    except OSError:
        os.kill(host_pid, signal.SIGKILL)
        os.waitid(os.P_PID, host_pid, os.WEXITED)
        raise


def kill(pidfd: int, *, timeout: float) -> bool:
    """End a process for good; tell whether it has ended after *timeout* seconds."""
    with contextlib.suppress(ProcessLookupError):
        pidfd_send_signal(pidfd, signal.SIGKILL)
    deadline = time.monotonic() + timeout
    while not has_ended(pidfd, max(0.0, deadline - time.monotonic())):
        if time.monotonic() >= deadline:
            return False
    return True


def kill_and_reap(pidfd: int, *, timeout: float) -> bool:
    """End a child for good; tell whether it is gone after *timeout* seconds."""
    if not kill(pidfd, timeout=timeout):
        return False
    reap(pidfd)
    return True


def reap_group(pidfd: int, host_pid: int, *, timeout: float) -> None:
    """Reap a child that has ended, and end what is left of its process group.

    For children of ours whose pids nobody knows: until it is reaped, the number of
    the group cannot become another's. Where somebody else has reaped it, nothing is
    done.

    Args:
        pidfd: of the child.
        host_pid: its pid in the caller's pid namespace.
        timeout: for how many seconds the others are waited for.
    """
    try:
        if waitid(pidfd, _IF_ENDED | WaitFlag.WNOWAIT) is None:
            return
    except ChildProcessError:
        return
    # Where it leads no group there is none of that number.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(host_pid, signal.SIGKILL)
    deadline = time.monotonic() + timeout
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < deadline:
            if os.waitid(os.P_PGID, host_pid, _REAP_ANY) is None:
                time.sleep(0.001)
    reap(pidfd)
