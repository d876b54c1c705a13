# SPDX-License-Identifier: Apache-2.0
"""What proc(5) tells of a process, so that no other is taken for it."""

from __future__ import annotations

import functools
import os

_PF_EXITING = 0x4
_STAT_SIZE = 4096


@functools.cache
def boot_id() -> str:
    """Return the id of this boot of the kernel."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def start_time(host_pid: int) -> int:
    """Return when a process started, in clock ticks since boot.

    Raises:
        ProcessLookupError: there is no such process.
    """
    return int(_stat_fields(host_pid)[19])


def is_exiting(host_pid: int) -> bool:
    """Tell whether a process is gone or on its way: ``PF_EXITING`` of proc(5)."""
    try:
        return bool(int(_stat_fields(host_pid)[6]) & _PF_EXITING)
    except ProcessLookupError:
        return True


def zombie_code(host_pid: int, began: int) -> int | None:
    """Return the wait(2) status of a process that has ended and was not reaped.

    Args:
        host_pid: its pid.
        began: its start time; another process of that number is none.

    Returns:
        None if it is gone, or alive. 0 also for whoever may not see it.
    """
    try:
        fields = _stat_fields(host_pid)
    except ProcessLookupError:
        return None
    if fields[0] not in {b"Z", b"X"} or int(fields[19]) != began:
        return None
    return int(fields[49])


def _stat_fields(host_pid: int) -> list[bytes]:
    """Return the fields of ``/proc/PID/stat`` from the third on."""
    try:
        fd = os.open(f"/proc/{host_pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise ProcessLookupError(*error.args) from error
    try:
        text = os.read(fd, _STAT_SIZE)
    finally:
        os.close(fd)
    # The program's name stands in parentheses and may hold anything.
    return text[text.rindex(b")") + 1 :].split()
