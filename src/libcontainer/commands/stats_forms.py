# SPDX-License-Identifier: Apache-2.0
"""Statistics in the words of others: ``runc events``, and ``nsinit`` of 1.2.0."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Final

from libcontainer.cgroups.stats import (
    IoStats,
    MemoryStats,
    Pressure,
    Stats,
    cpu_percent,
)
from libcontainer.cgroups.values import read_value
from libcontainer.config.numbers import parse_numbers

_NO_LIMIT: Final = 2**64 - 1
_MOST: Final = 2**63 - 1
# A word of memory.stat that v1 alone has.
_OF_V1: Final = "hierarchical_memory_limit"
_CPUSET: Final = (
    *("cpu_exclusive", "mem_hardwall", "mem_exclusive", "memory_migrate"),
    *("memory_spread_page", "memory_spread_slab", "memory_pressure"),
    *("sched_load_balance", "sched_relax_domain_level"),
)
_BLKIO: Final = (
    ("ioServiceBytesRecursive", (("Read", "read_bytes"), ("Write", "write_bytes"))),
    ("ioServicedRecursive", (("Read", "reads"), ("Write", "writes"))),
    ("ioQueueRecursive", (("Read", "queued_reads"), ("Write", "queued_writes"))),
    (
        "ioServiceTimeRecursive",
        (("Read", "read_service_time"), ("Write", "write_service_time")),
    ),
    ("ioWaitTimeRecursive", (("Read", "read_wait_time"), ("Write", "write_wait_time"))),
    ("ioMergedRecursive", (("Read", "merged_reads"), ("Write", "merged_writes"))),
    ("ioTimeRecursive", (("", "disk_time"),)),
    ("sectorsRecursive", (("", "sectors"),)),
    ("ioCostUsage", (("", "cost_usage"),)),
    ("ioCostWait", (("", "cost_wait"),)),
    ("ioCostIndebt", (("", "cost_indebt"),)),
    ("ioCostIndelay", (("", "cost_indelay"),)),
)
_ALWAYS: Final = ("ioServiceBytesRecursive", "ioServicedRecursive")
# The words of 1.2.0; one of them was misspelt and has to stay so.
_OLD_BLKIO: Final = {
    "ioServiceBytesRecursive": "io_service_bytes_recursive",
    "ioServicedRecursive": "io_serviced_recusrive",
    "ioQueueRecursive": "io_queue_recursive",
    "sectorsRecursive": "sectors_recursive",
}
_LINK: Final = ("bytes", "packets", "errors", "dropped")


def runc_form(stats: Stats, cpuset: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return statistics as the ``data`` of ``runc events``.

    Args:
        stats: what is told.
        cpuset: what `read_cpuset` returns; left out if there is none.
    """
    cpu, pids = stats.cpu, stats.pids
    usage: dict[str, Any] = {
        "total": cpu.usage,
        "kernel": cpu.system,
        "user": cpu.user,
    }
    for key, each in (
        ("percpu", cpu.per_cpu),
        ("percpu_kernel", cpu.per_cpu_system),
        ("percpu_user", cpu.per_cpu_user),
    ):
        if each:
            usage[key] = list(each)
    throttling = {
        "periods": cpu.periods,
        "throttledPeriods": cpu.throttled_periods,
        "throttledTime": cpu.throttled,
    }
    return {
        "cpu": {
            "usage": usage,
            "throttling": throttling,
            **_psi(stats.cpu_pressure),
        },
        **({"cpuset": cpuset} if cpuset else {}),
        "memory": {**_memory(stats.memory), **_psi(stats.memory_pressure)},
        "pids": {"current": pids.current, "limit": pids.limit or 0},
        "blkio": {**_blkio(stats.io), **_psi(stats.io_pressure)},
        "hugetlb": {
            size: {"usage": page.usage, "max": page.peak or 0, "failcnt": page.failures}
            for size, page in stats.hugetlb.items()
        },
        "intel_rdt": {},
        "network_interfaces": _links(stats) or None,
    }


def _psi(pressure: Pressure | None) -> dict[str, Any]:
    if pressure is None:
        return {}
    keys = ("avg10", "avg60", "avg300", "total")
    return {
        "psi": {
            kind: {key: getattr(pressure, f"{kind}_{key}") for key in keys}
            for kind in ("some", "full")
        }
    }


def _memory(memory: MemoryStats) -> dict[str, Any]:
    is_v1 = _OF_V1 in memory.detail
    # As the kernel writes it: on v1 the most that whole pages can be.
    none = _MOST - _MOST % os.sysconf("SC_PAGESIZE") if is_v1 else _NO_LIMIT
    limit = none if memory.limit is None else memory.limit
    swap = none if memory.swap_limit is None else memory.swap_limit
    # Nobody can set a limit of these any more.
    kernel = none if is_v1 else 0
    return {
        "cache": memory.detail.get("cache", memory.detail.get("file", 0)),
        "usage": {
            "limit": limit,
            "usage": memory.usage,
            "max": memory.peak or 0,
            "failcnt": memory.failures,
        },
        "swap": {
            "limit": swap,
            "usage": memory.swap_usage or 0,
            "max": memory.swap_peak or 0,
            "failcnt": memory.swap_failures,
        },
        "kernel": {"limit": kernel, "usage": memory.kernel, "failcnt": 0},
        "kernelTCP": {"limit": kernel, "usage": memory.kernel_tcp, "failcnt": 0},
        "raw": dict(memory.detail),
    }


def _blkio(devices: Iterable[IoStats]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for disk in devices:
        for key, words in _BLKIO:
            values = [(word, getattr(disk, name)) for word, name in words]
            if key in _ALWAYS or any(value for _, value in values):
                entries = [_entry(disk, word, value) for word, value in values]
                found.setdefault(key, []).extend(entries)
    return found


def _entry(disk: IoStats, word: str, value: int) -> dict[str, Any]:
    where: dict[str, Any] = {"major": disk.major, "minor": disk.minor}
    return where | ({"op": word} if word else {}) | {"value": value}


def _links(stats: Stats) -> list[dict[str, Any]]:
    return [
        {
            "Name": name,
            **{
                f"{way}{word.capitalize()}": getattr(link, f"{way.lower()}_{word}")
                for way in ("Rx", "Tx")
                for word in _LINK
            },
        }
        for name, link in stats.interfaces.items()
        if name != "lo"
    ]


def read_cpuset(folder: str | None) -> dict[str, Any]:
    """Return what a cpuset of v1 says, in runc's words.

    Args:
        folder: host path of the cgroup in that hierarchy; None: it has none.
    """
    found: dict[str, Any] = {}
    if folder is None:
        return found
    for name in ("cpus", "mems"):
        ranges = parse_numbers(_read(f"{folder}/cpuset.{name}")) or ()
        numbers = [n for first, last in ranges for n in range(first, last + 1)]
        if numbers:
            found[name] = numbers
    for name in _CPUSET:
        found[name] = int(_read(f"{folder}/cpuset.{name}") or 0)
    return found


def _read(path: str) -> str:
    try:
        return read_value(path).strip()
    except FileNotFoundError:
        return ""  # of a kernel without it


def nsinit_form(stats: Stats, before: Stats) -> dict[str, Any]:
    """Return statistics as ``nsinit stats`` of 1.2.0 printed them.

    What is 0 is left out, as there, but for a few keys. The links are all but ``lo``
    together: there was room for one.

    Args:
        stats: what is told.
        before: an earlier measurement, which the use of processors is told from.
    """
    cpu = stats.cpu
    usage = _kept(
        {
            "percent_usage": round(cpu_percent(before, stats)),
            "current_usage": max(0, cpu.usage - before.cpu.usage),
            "total_usage": cpu.usage,
            "percpu_usage": list(cpu.per_cpu),
            "usage_in_kernelmode": cpu.system,
            "usage_in_usermode": cpu.user,
        },
        always=("usage_in_kernelmode", "usage_in_usermode"),
    )
    throttling = _kept(
        {
            "periods": cpu.periods,
            "throttled_periods": cpu.throttled_periods,
            "throttled_time": cpu.throttled,
        }
    )
    memory = {
        "usage": stats.memory.usage,
        "max_usage": stats.memory.peak or 0,
        "stats": dict(stats.memory.detail),
        "failcnt": stats.memory.failures,
    }
    found = _blkio(stats.io)
    blkio = {old: found[new] for new, old in _OLD_BLKIO.items() if new in found}
    return {
        "network_stats": _network(stats),
        "cgroup_stats": {
            "cpu_stats": {"cpu_usage": usage, "throlling_data": throttling},
            "memory_stats": _kept(memory, always=("failcnt",)),
            "blkio_stats": blkio,
        },
    }


def _network(stats: Stats) -> dict[str, int]:
    links = [link for name, link in stats.interfaces.items() if name != "lo"]
    names = [f"{way}_{word}" for way in ("rx", "tx") for word in _LINK]
    return _kept({name: sum(getattr(link, name) for link in links) for name in names})


def _kept(values: Mapping[str, Any], always: tuple[str, ...] = ()) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value or key in always}
