# SPDX-License-Identifier: Apache-2.0
"""The record of how init ended, for those who are not its parent.

A file of fixed size in the container's folder, ``struct lc_exit`` in
``plan_abi.h``. The monitor writes it, or else the program that waited for the
init process of a prepared container.
"""

from __future__ import annotations

import contextlib
import os
import struct
import time

from attrs import frozen

from libcontainer.host.children import ExitStatus, has_ended, lost_status
from libcontainer.host.processref import ProcessRef
from libcontainer.host.store import EXIT
from libcontainer.host.zombie import zombie_status
from libcontainer.state import ProcessRecord

_MAGIC = 0x4C435845
_FORM = struct.Struct("=Iiiiqq")
_CLD_EXITED, _CLD_KILLED, _CLD_DUMPED = 1, 2, 3
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_SECONDS = 10.0
_REAPED_SECONDS = 1.0
_PAUSE_SECONDS = 0.002


@frozen
class ExitRecord:
    """Where the end of one init process is written down.

    Attributes:
        folder: the container's folder, a host path.
        host_pid: of init, so that the record is never taken for another's.
        monitor: who writes it; None: whoever reaps init.
    """

    folder: str
    host_pid: int
    monitor: ProcessRecord | None = None

    def read(self) -> tuple[ExitStatus, float] | None:
        """Return how init ended, and when in seconds since 1970; None if unknown."""
        try:
            fd = os.open(f"{self.folder}/{EXIT}", _READ)
        except FileNotFoundError:
            return None
        try:
            data = os.read(fd, _FORM.size + 1)
        finally:
            os.close(fd)
        if len(data) != _FORM.size:
            return None
        magic, host_pid, code, status, seconds, nanoseconds = _FORM.unpack(data)
        if magic != _MAGIC or host_pid != self.host_pid:
            return None
        when = seconds + nanoseconds / 1e9
        if code == _CLD_EXITED:
            return ExitStatus(code=status), when
        return ExitStatus(signal=status, core=code == _CLD_DUMPED), when

    def settle(self) -> ExitStatus | None:
        """Return how init, which has ended, ended; None if that is unknown.

        The monitor writes just after init's end: this waits until it is gone.
        """
        with ProcessRef.open(self.monitor) as monitor:
            if monitor is not None:
                has_ended(monitor.pidfd, _SECONDS)
        found = self.read()
        return None if found is None else found[0]

    def write(self, status: ExitStatus) -> None:
        """Write down how init ended. A folder that is gone needs no record."""
        if status == ExitStatus():
            return
        code, number = _CLD_EXITED, status.code
        if status.signal is not None:
            code, number = _CLD_DUMPED if status.core else _CLD_KILLED, status.signal
        seconds, nanoseconds = divmod(time.time_ns(), 10**9)
        data = _FORM.pack(_MAGIC, self.host_pid, code, number, seconds, nanoseconds)
        with contextlib.suppress(OSError):
            fd = os.open(f"{self.folder}/{EXIT}", _WRITE, 0o600)
            try:
                os.write(fd, data)
            finally:
                os.close(fd)


def await_end(
    init: ProcessRecord, record: ExitRecord, timeout: float | None
) -> ExitStatus | None:
    """Wait for an init that is somebody else's; return how it ended.

    Args:
        init: the process.
        record: where its end is written down.
        timeout: seconds to wait at most; None is for ever.

    Returns:
        None if it still runs. An empty status where nobody can know.
    """
    with ProcessRef.open(init) as alive:
        if alive is None:
            return record.settle() or ExitStatus()
        if not has_ended(alive.pidfd, timeout):
            return None
        # Of somebody else's child the kernel tells the status while it is a zombie,
        # and from Linux 6.15 on once it is reaped; between the two, nothing.
        deadline = time.monotonic() + _REAPED_SECONDS
        while True:
            status = record.settle() or zombie_status(init) or lost_status(alive.pidfd)
            if status != ExitStatus() or time.monotonic() >= deadline:
                return status
            time.sleep(_PAUSE_SECONDS)
