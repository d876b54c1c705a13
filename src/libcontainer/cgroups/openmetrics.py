# SPDX-License-Identifier: Apache-2.0
"""Statistics as OpenMetrics text, for Prometheus and its kin. Pure.

Source: the OpenMetrics specification, version 1.0. Every family stands once, with
the samples of all containers; times are seconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from libcontainer.cgroups.stats import Pressure, Stats

if TYPE_CHECKING:
    from libcontainer.host.rdt import RdtStats

CONTENT_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
"""What a server says of the text."""

_PREFIX: Final = "libcontainer"
_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
# The labels that the families have themselves.
_OWN: Final = frozenset(
    {
        "container",
        "device",
        "domain",
        "interface",
        "kind",
        "node",
        "resource",
        "size",
        "window",
    }
)

Sample = tuple[Mapping[str, str], "float | None"]
_Read = Callable[[Stats], "float | None"]
_ReadMany = Callable[[Stats], Iterable[Sample]]
_Family = tuple[str, str, str, Callable[[Any], Iterable[Sample]]]


def openmetrics(
    stats: Mapping[str, Stats],
    labels: Mapping[str, Mapping[str, str]] | None = None,
    *,
    rdt: Mapping[str, RdtStats] | None = None,
) -> str:
    """Return statistics as the text of an exposition, ``# EOF`` included.

    Args:
        stats: measurements by container id, which becomes the label ``container``.
        labels: further labels by container id.
        rdt: use of caches and of the memory bus by container id, if measured.

    Raises:
        ValueError: a label's name is not allowed, or taken.
    """
    caches = rdt or {}
    named = {
        key: _labels(key, (labels or {}).get(key, {})) for key in {**stats, **caches}
    }
    lines = [*_lines(_FAMILIES, stats, named), *_lines(_CACHES, caches, named)]
    return "".join(f"{line}\n" for line in (*lines, "# EOF"))


def _lines(
    families: Iterable[_Family], stats: Mapping[str, Any], named: Mapping[str, str]
) -> Iterator[str]:
    for name, kind, about, read in families:
        samples = [
            (f"{named[key]}{_text(own)}", value)
            for key, one in stats.items()
            for own, value in read(one)
            if value is not None
        ]
        if samples:
            yield from _family(f"{_PREFIX}_{name}", kind, about, samples)


def _family(
    name: str, kind: str, about: str, samples: Iterable[tuple[str, float]]
) -> Iterator[str]:
    yield f"# TYPE {name} {kind}"
    unit = name.rpartition("_")[2]
    if unit in {"bytes", "seconds", "percent"}:
        yield f"# UNIT {name} {unit}"
    yield f"# HELP {name} {about}"
    suffix = "_total" if kind == "counter" else ""
    for labels, value in samples:
        yield f"{name}{suffix}{{{labels}}} {value!r}"


def _labels(container_id: str, more: Mapping[str, str]) -> str:
    for name in more:
        if not _NAME.fullmatch(name) or name.startswith("__") or name in _OWN:
            message = f"label {name!r} of {container_id!r} is not allowed"
            raise ValueError(message)
    return f'container="{_escape(container_id)}"{_text(more)}'


def _text(labels: Mapping[str, str]) -> str:
    return "".join(f',{name}="{_escape(value)}"' for name, value in labels.items())


def _escape(text: str) -> str:
    # What is no text at all, such as half a surrogate pair, cannot be encoded.
    text = text.encode("utf-8", "replace").decode()
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _one(read: _Read) -> _ReadMany:
    return lambda stats: (({}, read(stats)),)


def _seconds(nanoseconds: int) -> float:
    return nanoseconds / 1e9


def _io(field: str) -> _ReadMany:
    return lambda stats: (
        ({"device": f"{disk.major}:{disk.minor}"}, getattr(disk, field))
        for disk in stats.io
    )


def _link(field: str) -> _ReadMany:
    return lambda stats: (
        ({"interface": name}, getattr(link, field))
        for name, link in stats.interfaces.items()
    )


def _pages(field: str) -> _ReadMany:
    return lambda stats: (
        ({"size": size}, getattr(pages, field)) for size, pages in stats.hugetlb.items()
    )


def _rdma(field: str) -> _ReadMany:
    return lambda stats: (
        ({"device": name}, getattr(one, field)) for name, one in stats.rdma.items()
    )


def _misc(field: str) -> _ReadMany:
    return lambda stats: (
        ({"resource": name}, getattr(one, field)) for name, one in stats.misc.items()
    )


def _numa(stats: Stats) -> Iterable[Sample]:
    for kind, nodes in stats.memory.numa.items():
        for node, size in enumerate(nodes):
            yield {"kind": kind, "node": str(node)}, size


def _pressures(stats: Stats) -> Iterator[tuple[str, Pressure]]:
    for name in ("cpu", "memory", "io", "irq"):
        pressure = getattr(stats, f"{name}_pressure")
        if pressure is not None:
            yield name, pressure


def _waiting(stats: Stats) -> Iterable[Sample]:
    for name, pressure in _pressures(stats):
        for kind in ("some", "full"):
            total = getattr(pressure, f"{kind}_total") / 1e6
            yield {"resource": name, "kind": kind}, total


def _averages(stats: Stats) -> Iterable[Sample]:
    for name, pressure in _pressures(stats):
        for kind in ("some", "full"):
            for window in ("10", "60", "300"):
                labels = {"resource": name, "kind": kind, "window": f"{window}s"}
                yield labels, getattr(pressure, f"{kind}_avg{window}")


def _per_cpu(stats: Stats) -> Iterable[Sample]:
    for number, time in enumerate(stats.cpu.per_cpu):
        yield {"device": f"cpu{number}"}, time / 1e9


def _occupied(rdt: RdtStats) -> Iterable[Sample]:
    return (({"domain": name}, size) for name, size in rdt.llc_occupancy.items())


def _moved(rdt: RdtStats) -> Iterable[Sample]:
    for kind in ("total", "local"):
        for name, size in getattr(rdt, f"mbm_{kind}_bytes").items():
            yield {"domain": name, "kind": kind}, size


_COUNTER: Final = "counter"
_GAUGE: Final = "gauge"
_FAMILIES: Final[tuple[_Family, ...]] = (
    (
        "cpu_usage_seconds",
        _COUNTER,
        "Processor time.",
        _one(lambda s: _seconds(s.cpu.usage)),
    ),
    (
        "cpu_user_seconds",
        _COUNTER,
        "Processor time in user mode.",
        _one(lambda s: _seconds(s.cpu.user)),
    ),
    (
        "cpu_system_seconds",
        _COUNTER,
        "Processor time in the kernel.",
        _one(lambda s: _seconds(s.cpu.system)),
    ),
    ("cpu_each_seconds", _COUNTER, "Processor time by processor.", _per_cpu),
    (
        "cpu_periods",
        _COUNTER,
        "Periods of the quota.",
        _one(lambda s: s.cpu.periods),
    ),
    (
        "cpu_throttled_periods",
        _COUNTER,
        "Periods in which the quota was used up.",
        _one(lambda s: s.cpu.throttled_periods),
    ),
    (
        "cpu_throttled_seconds",
        _COUNTER,
        "Time spent waiting for the next period.",
        _one(lambda s: _seconds(s.cpu.throttled)),
    ),
    (
        "cpu_burst_seconds",
        _COUNTER,
        "Saved-up processor time that was used.",
        _one(lambda s: _seconds(s.cpu.burst)),
    ),
    (
        "memory_usage_bytes",
        _GAUGE,
        "Memory in use, page cache included.",
        _one(lambda s: s.memory.usage),
    ),
    (
        "memory_peak_bytes",
        _GAUGE,
        "The most memory that was in use.",
        _one(lambda s: s.memory.peak),
    ),
    (
        "memory_limit_bytes",
        _GAUGE,
        "The limit on memory.",
        _one(lambda s: s.memory.limit),
    ),
    (
        "memory_kernel_bytes",
        _GAUGE,
        "Memory that the kernel holds for it.",
        _one(lambda s: s.memory.kernel),
    ),
    (
        "memory_swap_usage_bytes",
        _GAUGE,
        "Memory in swap.",
        _one(lambda s: s.memory.swap_usage),
    ),
    (
        "memory_swap_limit_bytes",
        _GAUGE,
        "The limit on swap; v1: with memory.",
        _one(lambda s: s.memory.swap_limit),
    ),
    ("memory_numa_bytes", _GAUGE, "Memory by node and kind.", _numa),
    (
        "memory_limit_hits",
        _COUNTER,
        "How often the limit was hit.",
        _one(lambda s: s.memory.failures),
    ),
    (
        "oom_kills",
        _COUNTER,
        "Processes killed for want of memory.",
        _one(lambda s: s.memory.oom_kills),
    ),
    ("pids", _GAUGE, "Processes and threads.", _one(lambda s: s.pids.current)),
    (
        "pids_limit",
        _GAUGE,
        "The limit on processes.",
        _one(lambda s: s.pids.limit),
    ),
    (
        "pids_limit_hits",
        _COUNTER,
        "How often a process was refused.",
        _one(lambda s: s.pids.failures),
    ),
    ("io_read_bytes", _COUNTER, "Bytes read.", _io("read_bytes")),
    ("io_write_bytes", _COUNTER, "Bytes written.", _io("write_bytes")),
    ("io_reads", _COUNTER, "Reads.", _io("reads")),
    ("io_writes", _COUNTER, "Writes.", _io("writes")),
    ("hugetlb_usage_bytes", _GAUGE, "Huge pages in use.", _pages("usage")),
    ("hugetlb_limit_hits", _COUNTER, "Huge pages refused.", _pages("failures")),
    ("rdma_handles", _GAUGE, "RDMA handles that are open.", _rdma("handles")),
    ("rdma_objects", _GAUGE, "RDMA objects.", _rdma("objects")),
    ("misc_usage", _GAUGE, "Resources of the misc controller.", _misc("usage")),
    ("misc_limit_hits", _COUNTER, "How often one was refused.", _misc("failures")),
    ("pressure_waiting_seconds", _COUNTER, "Time spent waiting.", _waiting),
    ("pressure_percent", _GAUGE, "Share of time spent waiting.", _averages),
    ("network_receive_bytes", _COUNTER, "Bytes received.", _link("rx_bytes")),
    ("network_receive_packets", _COUNTER, "Packets received.", _link("rx_packets")),
    ("network_receive_errors", _COUNTER, "Broken packets.", _link("rx_errors")),
    ("network_receive_drops", _COUNTER, "Packets dropped.", _link("rx_dropped")),
    ("network_transmit_bytes", _COUNTER, "Bytes sent.", _link("tx_bytes")),
    ("network_transmit_packets", _COUNTER, "Packets sent.", _link("tx_packets")),
    ("network_transmit_errors", _COUNTER, "Packets not sent.", _link("tx_errors")),
    ("network_transmit_drops", _COUNTER, "Packets dropped.", _link("tx_dropped")),
)
_CACHES: Final[tuple[_Family, ...]] = (
    ("rdt_llc_occupancy_bytes", _GAUGE, "Bytes in the last cache.", _occupied),
    ("rdt_memory_bytes", _COUNTER, "Bytes over the memory bus.", _moved),
)
