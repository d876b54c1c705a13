# SPDX-License-Identifier: Apache-2.0
"""Resources to the files of cgroup v2. Pure.

Source: Documentation/admin-guide/cgroup-v2.rst of the kernel; conversions as runc
and crun have them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from libcontainer.cgroups.writes import AnyOf, AtMost, Confirmed, Write
from libcontainer.config.resources import Resources

V1_ONLY: Final = {
    "cpu_realtime_runtime": "cpu",
    "cpu_realtime_period": "cpu",
    "memory_swappiness": "memory",
    "disable_oom_killer": "memory",
    "blkio_leaf_weight": "blkio",
    "net_cls_classid": "net_cls",
    "net_prio": "net_prio",
}
"""Fields that only cgroup v1 can hold to, with the controller they are of."""

_DEFAULT_PERIOD = 100_000


def writes(resources: Resources) -> tuple[Write, ...]:
    """Return the files to write, in order, into a new cgroup."""
    return (
        *_pids(resources),
        *_memory(resources),
        *_io(resources),
        *_cpu(resources),
        *_cpuset(resources),
        *_others(resources),
        *_unified(resources),
    )


def controllers(resources: Resources) -> frozenset[str]:
    """Return the controllers that *resources* needs."""
    return frozenset(w.controller for w in writes(resources)) - {"cgroup"}


def shares_to_weight(shares: int) -> int:
    """Return ``cpu.weight`` for v1 shares.

    The curve goes through the minima (2 to 1), the defaults (1024 to 100) and
    the maxima (262144 to 10000).
    """
    if shares == 0:
        return 0
    if shares <= 2:
        return 1
    if shares >= 262144:
        return 10000
    log = math.log2(shares)
    exponent = (log * log + 125 * log) / 612.0 - 7.0 / 34.0
    return math.ceil(10**exponent)


def blkio_to_io_weight(weight: int) -> int:
    """Return ``io.weight`` (1 to 10000) for a v1 weight (10 to 1000)."""
    return 0 if weight == 0 else 1 + (weight - 10) * 9999 // 990


def swap_limit(memory: int | None, total: int) -> int:
    """Return ``memory.swap.max`` for a limit on memory and swap together.

    Raises:
        ValueError: *total* is not above *memory*, or there is no limit on memory.
    """
    if total == -1:
        return -1
    if memory is None or memory == -1:
        message = "memory_swap needs a limit on memory"
        raise ValueError(message)
    if total < memory:
        message = "memory_swap is less than memory"
        raise ValueError(message)
    return total - memory


def limit_text(value: int) -> str:
    """Return a limit as v2 writes it."""
    return "max" if value < 0 else str(value)


def _limit(controller: str, file: str, value: int | None) -> Iterable[Write]:
    if value is not None:
        yield Write(controller, file, limit_text(value))


def _switch(controller: str, file: str, value: bool | None) -> Iterable[Write]:  # noqa: FBT001
    if value is not None:
        yield Write(controller, file, str(int(value)))


def _pids(resources: Resources) -> Iterable[Write]:
    return _limit("pids", "pids.max", resources.pids)


def _memory(resources: Resources) -> Iterable[Write]:
    if resources.memory_check_before_update:
        yield from _memory_looks(resources)
    if resources.memory_swap is not None:
        limit = swap_limit(resources.memory, resources.memory_swap)
        # A kernel without swap accounting has nothing to limit.
        yield Write("memory", "memory.swap.max", limit_text(limit), optional=limit <= 0)
    elif resources.memory == -1:
        yield Write("memory", "memory.swap.max", "max", optional=True)
    yield from _limit("memory", "memory.max", resources.memory)
    low = resources.memory_low
    if low is None:
        low = resources.memory_reservation
    yield from _limit("memory", "memory.low", low)
    yield from _limit("memory", "memory.high", resources.memory_high)
    yield from _limit("memory", "memory.min", resources.memory_min)
    yield from _limit("memory", "memory.swap.high", resources.memory_swap_high)
    yield from _limit("memory", "memory.zswap.max", resources.memory_zswap)
    writeback = resources.memory_zswap_writeback
    yield from _switch("memory", "memory.zswap.writeback", writeback)
    yield from _switch("memory", "memory.oom.group", resources.oom_group)


def _memory_looks(resources: Resources) -> Iterable[Write]:
    # Memory and swap together first: that is what runc says of a limit on both.
    for what, limit in (
        ("memory+swap", resources.memory_swap),
        ("memory", resources.memory),
    ):
        if (limit or 0) > 0:
            yield AtMost("memory", "memory.current", str(limit), what=what)


def _io(resources: Resources) -> Iterable[Write]:
    weight = resources.blkio_weight
    if weight is not None:
        yield _weight("default", weight, str(weight))
    for device in resources.blkio_weight_devices:
        if device.weight is not None:
            name = f"{device.major}:{device.minor}"
            yield _weight(name, device.weight, f"{name} {device.weight}")
    limits = (
        ("rbps", resources.blkio_throttle_read_bps),
        ("wbps", resources.blkio_throttle_write_bps),
        ("riops", resources.blkio_throttle_read_iops),
        ("wiops", resources.blkio_throttle_write_iops),
    )
    for word, devices in limits:
        for throttle in devices:
            rate = str(throttle.rate) if throttle.rate else "max"
            value = f"{throttle.major}:{throttle.minor} {word}={rate}"
            yield Write("io", "io.max", value)
    for latency in resources.io_latency:
        value = f"{latency.major}:{latency.minor} target={latency.target}"
        yield Write("io", "io.latency", value)


def _weight(device: str, weight: int, bfq: str) -> Write:
    # BFQ counts as v1 did; whoever else keeps weights has io.weight.
    cost = Write("io", "io.weight", f"{device} {blkio_to_io_weight(weight)}")
    return AnyOf("io", "io.bfq.weight", bfq, others=(cost,))


def _cpu(resources: Resources) -> Iterable[Write]:
    if resources.cpu_idle is not None:
        yield Write("cpu", "cpu.idle", str(resources.cpu_idle))
    # An idle group has no weight of its own.
    if resources.cpu_shares and resources.cpu_idle != 1:
        weight = shares_to_weight(resources.cpu_shares)
        yield Write("cpu", "cpu.weight", str(weight))
    quota, period = resources.cpu_quota, resources.cpu_period
    if quota is not None or period is not None:
        text = "max" if quota is None or quota <= 0 else str(quota)
        yield Write("cpu", "cpu.max", f"{text} {period or _DEFAULT_PERIOD}")
    if resources.cpu_burst is not None:
        yield Write("cpu", "cpu.max.burst", str(resources.cpu_burst))


def _cpuset(resources: Resources) -> Iterable[Write]:
    if resources.cpuset_cpus:
        yield Write("cpuset", "cpuset.cpus", resources.cpuset_cpus)
    if resources.cpuset_mems:
        yield Write("cpuset", "cpuset.mems", resources.cpuset_mems)
    if resources.cpuset_partition is not None:
        file = "cpuset.cpus.partition"
        yield Confirmed("cpuset", file, resources.cpuset_partition)


def _others(resources: Resources) -> Iterable[Write]:
    for size, limit in resources.hugetlb:
        text = limit_text(limit)
        yield Write("hugetlb", f"hugetlb.{size}.max", text)
        yield Write("hugetlb", f"hugetlb.{size}.rsvd.max", text, optional=True)
    for device, limits in resources.rdma:
        yield Write("rdma", "rdma.max", f"{device} {limits}")
    for name, limit in resources.misc:
        yield Write("misc", "misc.max", f"{name} {limit_text(limit)}")


def _unified(resources: Resources) -> Iterable[Write]:
    for file, value in resources.unified:
        controller = file.partition(".")[0]
        for line in value.splitlines() or [""]:
            yield Write(controller, file, line)
