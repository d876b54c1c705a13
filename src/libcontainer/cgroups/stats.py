# SPDX-License-Identifier: Apache-2.0
"""What a cgroup has used: one form for v1 and v2."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Final

from attrs import field, frozen

from libcontainer.cgroups.group import Group

_USER_HZ: Final = os.sysconf("SC_CLK_TCK")
_NANOSECONDS: Final = 1_000_000_000
# v1 says "no limit" by the largest number of whole pages.
_V1_UNLIMITED: Final = 1 << 62


@frozen(kw_only=True)
class CpuStats:
    """Processor time, in nanoseconds."""

    usage: int = 0
    """All of it."""
    user: int = 0
    """In user mode."""
    system: int = 0
    """In the kernel."""
    per_cpu: tuple[int, ...] = ()
    """By processor; v1 only."""
    periods: int = 0
    """Periods of the quota that have passed."""
    throttled_periods: int = 0
    """Periods in which the quota was used up."""
    throttled: int = 0
    """Time that processes had to wait for the next period."""
    bursts: int = 0
    """Periods in which saved-up time was used."""
    burst: int = 0
    """Saved-up time that was used."""


@frozen(kw_only=True)
class MemoryStats:
    """Memory, in bytes; a limit of None is no limit."""

    usage: int = 0
    """In use now, page cache included."""
    peak: int | None = None
    """The most that was in use; None where the kernel does not keep it."""
    limit: int | None = None
    """The limit of the cgroup itself."""
    swap_usage: int | None = None
    """In swap now; None without swap accounting."""
    swap_limit: int | None = None
    """The limit on swap; v1: on memory and swap together."""
    kernel: int = 0
    """Of the usage, what the kernel holds for the cgroup."""
    failures: int = 0
    """How often the limit was hit."""
    oom_kills: int = 0
    """Processes that were killed for want of memory."""
    detail: Mapping[str, int] = field(factory=dict)
    """``memory.stat``, in the kernel's words."""


@frozen(kw_only=True)
class PidsStats:
    """Processes and threads."""

    current: int = 0
    """How many there are."""
    limit: int | None = None
    """How many there may be; None is no limit."""
    failures: int = 0
    """How often a fork was refused."""


@frozen(kw_only=True)
class IoStats:
    """What went to and from one block device."""

    major: int
    """Major number."""
    minor: int
    """Minor number."""
    read_bytes: int = 0
    """Bytes read."""
    write_bytes: int = 0
    """Bytes written."""
    reads: int = 0
    """Reads."""
    writes: int = 0
    """Writes."""
    discard_bytes: int = 0
    """Bytes discarded."""
    discards: int = 0
    """Discards."""


@frozen(kw_only=True)
class HugetlbStats:
    """Huge pages of one size, in bytes."""

    usage: int = 0
    """In use now."""
    peak: int | None = None
    """The most that was in use; v1 only."""
    failures: int = 0
    """How often the limit was hit."""


@frozen(kw_only=True)
class Pressure:
    """How long processes had to wait for a resource (PSI).

    The averages are percentages of the last 10, 60 and 300 seconds, the totals
    microseconds. *some* counts when any had to wait, *full* when all had to.
    """

    some_avg10: float = 0.0
    some_avg60: float = 0.0
    some_avg300: float = 0.0
    some_total: int = 0
    full_avg10: float = 0.0
    full_avg60: float = 0.0
    full_avg300: float = 0.0
    full_total: int = 0


@frozen(kw_only=True)
class Stats:
    """What a container has used until now."""

    cpu: CpuStats = field(factory=CpuStats)
    """Processor time."""
    memory: MemoryStats = field(factory=MemoryStats)
    """Memory and swap."""
    pids: PidsStats = field(factory=PidsStats)
    """Processes and threads."""
    io: tuple[IoStats, ...] = ()
    """Block devices."""
    hugetlb: Mapping[str, HugetlbStats] = field(factory=dict)
    """Huge pages, by page size."""
    cpu_pressure: Pressure | None = None
    """Waiting for a processor; None where the kernel does not tell."""
    memory_pressure: Pressure | None = None
    """Waiting for memory."""
    io_pressure: Pressure | None = None
    """Waiting for block devices."""


def read_stats(group: Group) -> Stats:
    """Measure a cgroup. A controller that is not there leaves its part at 0."""
    if group.is_unified:
        return _read_v2(next(iter(group.paths.values())))
    return _read_v1(group)


# -- v2


def _read_v2(path: str) -> Stats:
    return Stats(
        cpu=parse_cpu_v2(_text(path, "cpu.stat")),
        memory=_memory_v2(path),
        pids=PidsStats(
            current=_number(_text(path, "pids.current")) or 0,
            limit=_number(_text(path, "pids.max")),
            failures=flat(_text(path, "pids.events")).get("max", 0),
        ),
        io=parse_io_v2(_text(path, "io.stat")),
        hugetlb=_hugetlb(path, "{}.current", "", "{}.events"),
        cpu_pressure=parse_pressure(_text(path, "cpu.pressure")),
        memory_pressure=parse_pressure(_text(path, "memory.pressure")),
        io_pressure=parse_pressure(_text(path, "io.pressure")),
    )


def parse_cpu_v2(text: str) -> CpuStats:
    """Return what ``cpu.stat`` says; the kernel counts in microseconds."""
    found = flat(text)
    return CpuStats(
        usage=found.get("usage_usec", 0) * 1000,
        user=found.get("user_usec", 0) * 1000,
        system=found.get("system_usec", 0) * 1000,
        periods=found.get("nr_periods", 0),
        throttled_periods=found.get("nr_throttled", 0),
        throttled=found.get("throttled_usec", 0) * 1000,
        bursts=found.get("nr_bursts", 0),
        burst=found.get("burst_usec", 0) * 1000,
    )


def _memory_v2(path: str) -> MemoryStats:
    detail = flat(_text(path, "memory.stat"))
    events = flat(_text(path, "memory.events"))
    return MemoryStats(
        usage=_number(_text(path, "memory.current")) or 0,
        peak=_number(_text(path, "memory.peak")),
        limit=_number(_text(path, "memory.max")),
        swap_usage=_number(_text(path, "memory.swap.current")),
        swap_limit=_number(_text(path, "memory.swap.max")),
        kernel=detail.get("kernel", 0),
        failures=events.get("max", 0),
        oom_kills=events.get("oom_kill", 0),
        detail=detail,
    )


def parse_io_v2(text: str) -> tuple[IoStats, ...]:
    """Return what ``io.stat`` says."""
    found = []
    for line in text.splitlines():
        device, *pairs = line.split()
        major, _, minor = device.partition(":")
        if not (major.isdigit() and minor.isdigit()):
            continue
        values = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        found.append(
            IoStats(
                major=int(major),
                minor=int(minor),
                read_bytes=int(values.get("rbytes", 0)),
                write_bytes=int(values.get("wbytes", 0)),
                reads=int(values.get("rios", 0)),
                writes=int(values.get("wios", 0)),
                discard_bytes=int(values.get("dbytes", 0)),
                discards=int(values.get("dios", 0)),
            )
        )
    return tuple(found)


def parse_pressure(text: str) -> Pressure | None:
    """Return what a pressure file says, or None if there is none."""
    values: dict[str, float] = {}
    for line in text.splitlines():
        kind, *pairs = line.split()
        for pair in pairs:
            key, _, value = pair.partition("=")
            values[f"{kind}_{key}"] = int(value) if key == "total" else float(value)
    return Pressure(**values) if values else None  # type: ignore[arg-type]  # totals are int


# -- v1


def _read_v1(group: Group) -> Stats:
    blkio = group.directory("blkio") or ""
    pids = group.directory("pids") or ""
    return Stats(
        cpu=_cpu_v1(group.directory("cpuacct") or "", group.directory("cpu") or ""),
        memory=_memory_v1(group.directory("memory") or ""),
        pids=PidsStats(
            current=_number(_text(pids, "pids.current")) or 0,
            limit=_number(_text(pids, "pids.max")),
            failures=flat(_text(pids, "pids.events")).get("max", 0),
        ),
        io=parse_io_v1(
            _text(blkio, "blkio.throttle.io_service_bytes"),
            _text(blkio, "blkio.throttle.io_serviced"),
        ),
        hugetlb=_hugetlb(
            group.directory("hugetlb") or "",
            "{}.usage_in_bytes",
            "{}.max_usage_in_bytes",
            "{}.failcnt",
        ),
    )


def _cpu_v1(accounting: str, scheduler: str) -> CpuStats:
    ticks = flat(_text(accounting, "cpuacct.stat"))
    found = flat(_text(scheduler, "cpu.stat"))
    return CpuStats(
        usage=_number(_text(accounting, "cpuacct.usage")) or 0,
        user=ticks.get("user", 0) * _NANOSECONDS // _USER_HZ,
        system=ticks.get("system", 0) * _NANOSECONDS // _USER_HZ,
        per_cpu=tuple(map(int, _text(accounting, "cpuacct.usage_percpu").split())),
        periods=found.get("nr_periods", 0),
        throttled_periods=found.get("nr_throttled", 0),
        throttled=found.get("throttled_time", 0),
        bursts=found.get("nr_bursts", 0),
        burst=found.get("burst_time", 0),
    )


def _memory_v1(path: str) -> MemoryStats:
    usage = _number(_text(path, "memory.usage_in_bytes")) or 0
    both = _number(_text(path, "memory.memsw.usage_in_bytes"))
    return MemoryStats(
        usage=usage,
        peak=_number(_text(path, "memory.max_usage_in_bytes")),
        limit=_v1_limit(_text(path, "memory.limit_in_bytes")),
        swap_usage=None if both is None else max(0, both - usage),
        swap_limit=_v1_limit(_text(path, "memory.memsw.limit_in_bytes")),
        kernel=_number(_text(path, "memory.kmem.usage_in_bytes")) or 0,
        failures=_number(_text(path, "memory.failcnt")) or 0,
        oom_kills=flat(_text(path, "memory.oom_control")).get("oom_kill", 0),
        detail=flat(_text(path, "memory.stat")),
    )


def parse_io_v1(service_bytes: str, serviced: str) -> tuple[IoStats, ...]:
    """Return what the two blkio files say, by device."""
    found: dict[str, dict[str, int]] = {}
    for text, names in (
        (service_bytes, ("read_bytes", "write_bytes", "discard_bytes")),
        (serviced, ("reads", "writes", "discards")),
    ):
        words = dict(zip(("Read", "Write", "Discard"), names, strict=True))
        for line in text.splitlines():
            device, _, rest = line.partition(" ")
            kind, _, number = rest.partition(" ")
            if kind in words and ":" in device:
                found.setdefault(device, {})[words[kind]] = int(number)
    return tuple(_io_device(device, values) for device, values in found.items())


def _io_device(device: str, values: Mapping[str, int]) -> IoStats:
    major, _, minor = device.partition(":")
    return IoStats(major=int(major), minor=int(minor), **values)


def _v1_limit(text: str) -> int | None:
    number = _number(text)
    return None if number is None or number > _V1_UNLIMITED else number


# -- both


def flat(text: str) -> dict[str, int]:
    """Return a file of ``key number`` lines."""
    found = {}
    for line in text.splitlines():
        key, _, number = line.partition(" ")
        if number.lstrip("-").isdigit():
            found[key] = int(number)
    return found


def _hugetlb(
    path: str, usage: str, peak: str, failures: str
) -> dict[str, HugetlbStats]:
    found = {}
    for size in _huge_page_sizes() if path else ():
        stem = f"hugetlb.{size}"
        text = _text(path, usage.format(stem))
        if not text:
            continue
        failed = _text(path, failures.format(stem))
        found[size] = HugetlbStats(
            usage=int(text),
            peak=_number(_text(path, peak.format(stem))) if peak else None,
            failures=flat(failed).get("max", 0) or _number(failed) or 0,
        )
    return found


def _huge_page_sizes() -> Iterable[str]:
    try:
        names = os.listdir("/sys/kernel/mm/hugepages")
    except FileNotFoundError:
        return ()
    return sorted(_size_name(int(n.removeprefix("hugepages-")[:-2])) for n in names)


def _size_name(kib: int) -> str:
    for unit in ("KB", "MB"):
        if kib < 1024:
            return f"{kib}{unit}"
        kib //= 1024
    return f"{kib}GB"


def _number(text: str) -> int | None:
    word = text.strip()
    return int(word) if word.lstrip("-").isdigit() else None


def _text(path: str, file: str) -> str:
    if not path:
        return ""
    try:
        fd = os.open(f"{path}/{file}", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    try:
        parts = []
        while part := os.read(fd, 65536):
            parts.append(part)
        return b"".join(parts).decode()
    except OSError:
        # A controller that is switched off answers the read with an error.
        return ""
    finally:
        os.close(fd)
