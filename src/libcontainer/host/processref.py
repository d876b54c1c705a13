# SPDX-License-Identifier: Apache-2.0
"""A process of a record, found again and never mistaken for another.

A pid alone may have come to mean another process. It is opened as a pidfd
first and compared then: boot, pid and start time must all be the recorded ones.
"""

from __future__ import annotations

import contextlib
import errno
import functools
from collections.abc import Iterator

from attrs import frozen

from libcontainer.bindings.pidfd import pidfd_open
from libcontainer.host.children import has_ended
from libcontainer.host.fds import above_stdio, close_all
from libcontainer.host.procstat import boot_id, is_exiting, start_time
from libcontainer.state import ProcessRecord


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
    @contextlib.contextmanager
    def open(record: ProcessRecord | None) -> Iterator[ProcessRef | None]:
        """Open the process of *record* for a block; None if it is gone."""
        pidfd = -1 if record is None else _open(record)
        try:
            if record is None or pidfd < 0:
                yield None
            else:
                yield ProcessRef(pidfd, record.host_pid)
        finally:
            if pidfd >= 0:
                close_all((pidfd,))


def _open(record: ProcessRecord) -> int:
    if record.host_pid <= 0:
        return -1
    try:
        pidfd = above_stdio(pidfd_open(record.host_pid))
    except OSError as error:
        # EINVAL: older kernels say so of a pid that names no process any more
        # and still a session or a group, which what it has left behind is in.
        if error.errno not in {errno.ESRCH, errno.EINVAL}:
            raise
        return -1
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
