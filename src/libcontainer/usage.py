# SPDX-License-Identifier: Apache-2.0
"""What a run has cost: the few figures that are worth a read at every end."""

from __future__ import annotations

import os
import time

from attrs import frozen

from libcontainer.cgroups import stats_v1 as v1
from libcontainer.cgroups import stats_v2 as v2
from libcontainer.cgroups.files import Files
from libcontainer.cgroups.group import Group
from libcontainer.cgroups.parse import number
from libcontainer.cgroups.stats_io import read_io_bytes

_SECOND = 1_000_000_000


@frozen(kw_only=True)
class Usage:
    """What a container has used from its launch to its end, all processes of it.

    All but *wall_seconds* are None where it has no cgroup, or its kernel does not
    count that.
    """

    wall_seconds: float
    """From the launch to the end."""
    cpu_seconds: float | None = None
    """Processor time of all processors together."""
    user_seconds: float | None = None
    """Of that, in user mode."""
    system_seconds: float | None = None
    """Of that, in the kernel."""
    memory_peak: int | None = None
    """The most memory in use at once, in bytes; page cache included."""
    io_read_bytes: int | None = None
    """Bytes read from block devices."""
    io_write_bytes: int | None = None
    """Bytes written to block devices."""

    def _repr_html_(self) -> str:
        from libcontainer.cgroups.html import html_table  # noqa: PLC0415 - notebooks

        return html_table(self)


def read_usage(group: Group | None, wall_seconds: float) -> Usage:
    """Return what a cgroup has used until now; reads at most five files."""
    if group is None:
        return Usage(wall_seconds=wall_seconds)
    files = Files(group)
    of_cpu = v2.cpu_times if files.is_v2("cpuacct") else v1.cpu_times
    cpu = of_cpu(files)
    io = read_io_bytes(files)
    peak = "memory.peak" if files.is_v2("memory") else "memory.max_usage_in_bytes"
    return Usage(
        wall_seconds=wall_seconds,
        cpu_seconds=None if cpu is None else cpu[0] / _SECOND,
        user_seconds=None if cpu is None else cpu[1] / _SECOND,
        system_seconds=None if cpu is None else cpu[2] / _SECOND,
        memory_peak=number(files.text("memory", peak)),
        io_read_bytes=None if io is None else io[0],
        io_write_bytes=None if io is None else io[1],
    )


def seconds_since(start_time: int) -> float:
    """Return how long ago a process began.

    Args:
        start_time: field 22 of its ``/proc/PID/stat``, clock ticks since boot.
    """
    begun = start_time / os.sysconf("SC_CLK_TCK")
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - begun)
