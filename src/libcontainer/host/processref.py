# SPDX-License-Identifier: Apache-2.0
"""A process of a record, found again and never mistaken for another.

A pid alone may have come to mean another process. It is opened as a pidfd
first and compared then: boot, pid and start time must all be the recorded ones.
"""

from __future__ import annotations

import errno
import functools
import os

from attrs import frozen

from libcontainer.host.children import has_ended
from libcontainer.host.fds import above_stdio, close_all
from libcontainer.host.procstat import boot_id, is_exiting, start_time
from libcontainer.state import ProcessRecord

NO_PROCESS = frozenset({errno.ESRCH, errno.EINVAL, errno.ENOENT})
"""What pidfd_open(2) says of a number that is no process's.

It may still be that of a session or a group, which what the process has left behind is
in (EINVAL), or have become that of a thread (ENOENT, of older kernels EINVAL)."""


@frozen
class ProcessRef:
    """A recorded process that is alive, or has just ended.

    Attributes:
        pidfd: open as long as the block of `open` lasts.
        host_pid: its pid in the caller's pid namespace.
    """

    pidfd: int
    host_pid: int

    def is_ending(self) -> bool:
        """Tell whether it has ended, or has begun to.

        A process gives up its namespaces and its root directory some time
        before it counts as ended.
        """
        return has_ended(self.pidfd) or is_exiting(self.host_pid)

    @staticmethod
    def open(record: ProcessRecord | None, known: int = -1) -> _Opened:
        """Open the process of *record* for a block; None if it is gone.

        Args:
            record: who it is.
            known: a pidfd of that very process, to be closed after the block; -1 if
                there is none.
        """
        return _Opened(record, known)


class _Opened:
    """A process that is open for a block."""

    # No generator: most verbs of a container have one of these.
    __slots__ = ("_known", "_pidfd", "_record")

    def __init__(self, record: ProcessRecord | None, known: int) -> None:
        self._record = record
        self._known = self._pidfd = known

    def __enter__(self) -> ProcessRef | None:
        record = self._record
        if record is None:
            return None
        if self._known < 0:
            self._pidfd = _open(record)
        return None if self._pidfd < 0 else ProcessRef(self._pidfd, record.host_pid)

    def __exit__(self, *_: object) -> None:
        if self._pidfd >= 0:
            close_all((self._pidfd,))


def _open(record: ProcessRecord) -> int:
    if record.host_pid <= 0:
        return -1
    try:
        # Who only looks needs nothing else of the native module.
        pidfd = above_stdio(os.pidfd_open(record.host_pid))
    except OSError as error:
        if error.errno in NO_PROCESS:
            return -1
        from libcontainer.bindings._lib import call_failed  # noqa: PLC0415 - rare

        call = f"pidfd_open({record.host_pid})"
        raise call_failed(call, error.errno or 0) from error
    try:
        same = start_time(record.host_pid) == record.start_time
        if same and boot_id() == record.boot_id:
            return pidfd
    except ProcessLookupError:
        pass
    except BaseException:
        close_all((pidfd,))
        raise
    close_all((pidfd,))
    return -1


@functools.lru_cache(maxsize=1)
def own_record(own_pid: int) -> ProcessRecord:
    """Return the record of the calling process; *own_pid* tells forks apart."""
    return record_of(own_pid)


def record_of(host_pid: int) -> ProcessRecord:
    """Return the record of a process that is alive or not yet reaped.

    Raises:
        ProcessLookupError: there is no such process.
    """
    return ProcessRecord(
        host_pid=host_pid, start_time=start_time(host_pid), boot_id=boot_id()
    )
