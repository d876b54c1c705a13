# SPDX-License-Identifier: Apache-2.0
"""The files of cgroup v2 as statistics. Source: cgroup-v2.rst of the kernel."""

from __future__ import annotations

from typing import Final

from libcontainer.cgroups.files import Files
from libcontainer.cgroups.parse import flat, nested, number, whole, whole_of
from libcontainer.cgroups.stats import (
    CpuStats,
    MemoryStats,
    MiscStats,
    PidsStats,
    Pressure,
    RdmaStats,
)

_MICROSECOND: Final = 1000


def cpu(files: Files) -> CpuStats:
    """Return what ``cpu.stat`` says; the kernel counts in microseconds."""
    found = flat(files.text("cpu", "cpu.stat"))
    return CpuStats(
        usage=found.get("usage_usec", 0) * _MICROSECOND,
        user=found.get("user_usec", 0) * _MICROSECOND,
        system=found.get("system_usec", 0) * _MICROSECOND,
        periods=found.get("nr_periods", 0),
        throttled_periods=found.get("nr_throttled", 0),
        throttled=found.get("throttled_usec", 0) * _MICROSECOND,
        bursts=found.get("nr_bursts", 0),
        burst=found.get("burst_usec", 0) * _MICROSECOND,
    )


def memory(files: Files) -> MemoryStats:
    """Return what the memory controller says."""
    detail = flat(files.text("memory", "memory.stat"))
    if not detail:
        return MemoryStats()
    events = flat(files.text("memory", "memory.events"))
    swapped = files.text("memory", "memory.swap.current")
    return MemoryStats(
        usage=number(files.text("memory", "memory.current")) or 0,
        peak=number(files.text("memory", "memory.peak")),
        limit=number(files.text("memory", "memory.max")),
        soft_limit=number(files.text("memory", "memory.high")),
        # Without swap accounting none of these files is there.
        swap_usage=number(swapped),
        swap_peak=number(_if(files, swapped, "memory.swap.peak")),
        swap_limit=number(_if(files, swapped, "memory.swap.max")),
        swap_failures=flat(_if(files, swapped, "memory.swap.events")).get("max", 0),
        kernel=detail.get("kernel", 0),
        kernel_tcp=detail.get("sock", 0),
        zswap=detail.get("zswap"),
        failures=events.get("max", 0),
        oom_kills=events.get("oom_kill", 0),
        events=events,
        detail=detail,
        numa=parse_numa(files.text("memory", "memory.numa_stat")),
    )


def _if(files: Files, text: str, file: str) -> str:
    return files.text("memory", file) if text else ""


def parse_numa(text: str) -> dict[str, tuple[int, ...]]:
    """Return what ``memory.numa_stat`` says: bytes of each node."""
    found = {}
    for name, values in nested(text):
        nodes = [(key[1:], whole(word)) for key, word in values.items()]
        known = {int(key): size for key, size in nodes if key.isdigit()}
        found[name] = tuple(known.get(node) or 0 for node in range(_nodes(known)))
    return {name: nodes for name, nodes in found.items() if nodes}


def _nodes(known: dict[int, int | None]) -> int:
    # MAX_NUMNODES of the kernel: a number beyond it is none of a node.
    return max((node + 1 for node in known if node < 1024), default=0)


def pids(files: Files) -> PidsStats:
    """Return what the pids controller says; the same files in v1."""
    current = number(files.text("pids", "pids.current"))
    if current is None:
        return PidsStats()
    return PidsStats(
        current=current,
        peak=number(files.text("pids", "pids.peak")),
        limit=number(files.text("pids", "pids.max")),
        failures=flat(files.text("pids", "pids.events")).get("max", 0),
    )


def rdma(files: Files) -> dict[str, RdmaStats]:
    """Return what the rdma controller says; the same files in v1."""
    text = files.text("rdma", "rdma.current")
    limits = dict(nested(files.text("rdma", "rdma.max"))) if text else {}
    found = {}
    for name, values in nested(text):
        limit = limits.get(name, {})
        found[name] = RdmaStats(
            handles=whole_of(values, "hca_handle"),
            handle_limit=whole(limit.get("hca_handle", "")),
            objects=whole_of(values, "hca_object"),
            object_limit=whole(limit.get("hca_object", "")),
        )
    return found


def misc(files: Files) -> dict[str, MiscStats]:
    """Return what the misc controller says."""
    current = flat(files.text("misc", "misc.current"))
    if not current:
        return {}
    peaks = flat(files.text("misc", "misc.peak"))
    limits = flat(files.text("misc", "misc.max"))
    events = flat(files.text("misc", "misc.events"))
    return {
        name: MiscStats(
            usage=usage,
            peak=peaks.get(name),
            limit=limits.get(name),
            failures=events.get(f"{name}.max", 0),
        )
        for name, usage in current.items()
    }


def parse_pressure(text: str) -> Pressure | None:
    """Return what a pressure file says, or None if there is none."""
    values: dict[str, float] = {}
    for kind, pairs in nested(text):
        if kind not in {"some", "full"}:
            continue
        for key in ("avg10", "avg60", "avg300"):
            values[f"{kind}_{key}"] = _percent(pairs.get(key, ""))
        values[f"{kind}_total"] = whole_of(pairs, "total")
    return Pressure(**values) if values else None  # type: ignore[arg-type]  # totals are int


def _percent(word: str) -> float:
    return float(word) if word.replace(".", "", 1).isdecimal() else 0.0


def cpu_times(files: Files) -> tuple[int, int, int] | None:
    """Return the processor time in all, in user mode and in the kernel."""
    found = flat(files.text("cpu", "cpu.stat"))
    if "usage_usec" not in found:
        return None
    names = ("usage_usec", "user_usec", "system_usec")
    total, user, system = (found.get(name, 0) * _MICROSECOND for name in names)
    return total, user, system
