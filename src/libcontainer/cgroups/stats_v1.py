# SPDX-License-Identifier: Apache-2.0
"""The files of cgroup v1 as statistics. Source: cgroup-v1/ of the kernel's pages."""

from __future__ import annotations

import os
from typing import Final

from libcontainer.cgroups.files import Files
from libcontainer.cgroups.parse import flat, number, numbers, v1_limit, whole
from libcontainer.cgroups.stats import CpuStats, MemoryStats

_USER_HZ: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_SECOND: Final = 1_000_000_000
_NODE: Final = "N"


def cpu(files: Files) -> CpuStats:
    """Return what the controllers cpu and cpuacct say."""
    times = cpu_times(files)
    total, user, system = times or (0, 0, 0)
    found = flat(files.text("cpu", "cpu.stat"))
    split = files.text("cpuacct", "cpuacct.usage_all") if times else ""
    per_user, per_system = parse_usage_all(split)
    each = files.text("cpuacct", "cpuacct.usage_percpu") if times else ""
    return CpuStats(
        usage=total,
        user=user,
        system=system,
        per_cpu=numbers(each),
        per_cpu_user=per_user,
        per_cpu_system=per_system,
        periods=found.get("nr_periods", 0),
        throttled_periods=found.get("nr_throttled", 0),
        throttled=found.get("throttled_time", 0),
        bursts=found.get("nr_bursts", 0),
        burst=found.get("burst_time", 0),
    )


def cpu_times(files: Files) -> tuple[int, int, int] | None:
    """Return the processor time in all, in user mode and in the kernel."""
    total = number(files.text("cpuacct", "cpuacct.usage"))
    if total is None:
        return None
    ticks = flat(files.text("cpuacct", "cpuacct.stat"))
    user = ticks.get("user", 0) * _SECOND // _USER_HZ
    return total, user, ticks.get("system", 0) * _SECOND // _USER_HZ


def parse_usage_all(text: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return what ``cpuacct.usage_all`` says: user and kernel time by processor."""
    rows = [numbers(line) for line in text.splitlines()[1:]]
    rows = [row for row in rows if len(row) == 3]
    return tuple(row[1] for row in rows), tuple(row[2] for row in rows)


def memory(files: Files) -> MemoryStats:
    """Return what the memory controller says."""
    usage = number(files.text("memory", "memory.usage_in_bytes"))
    if usage is None:
        return MemoryStats()

    def read(file: str) -> str:
        return files.text("memory", f"memory.{file}")

    # Without swap accounting none of these files is there.
    both = number(read("memsw.usage_in_bytes"))
    swaps = both is not None
    return MemoryStats(
        usage=usage,
        peak=number(read("max_usage_in_bytes")),
        limit=v1_limit(read("limit_in_bytes")),
        soft_limit=v1_limit(read("soft_limit_in_bytes")),
        swap_usage=None if both is None else max(0, both - usage),
        swap_peak=number(read("memsw.max_usage_in_bytes")) if swaps else None,
        swap_limit=v1_limit(read("memsw.limit_in_bytes")) if swaps else None,
        swap_failures=number(read("memsw.failcnt") if swaps else "") or 0,
        kernel=number(read("kmem.usage_in_bytes")) or 0,
        kernel_tcp=number(read("kmem.tcp.usage_in_bytes")) or 0,
        failures=number(read("failcnt")) or 0,
        oom_kills=flat(read("oom_control")).get("oom_kill", 0),
        detail=flat(read("stat")),
        numa=parse_numa(read("numa_stat")),
    )


def parse_numa(text: str) -> dict[str, tuple[int, ...]]:
    """Return what ``memory.numa_stat`` says, which counts in pages, in bytes."""
    found = {}
    for line in text.splitlines():
        head, *nodes = line.split()
        pages = {
            int(node[1:]): whole(word)
            for node, _, word in (pair.partition("=") for pair in nodes)
            if node[:1] == _NODE and node[1:].isdecimal() and len(node) < 6
        }
        count = max((node + 1 for node in pages if node < 1024), default=0)
        if count:
            sizes = tuple((pages.get(node) or 0) * _PAGE for node in range(count))
            found[head.partition("=")[0]] = sizes
    return found
