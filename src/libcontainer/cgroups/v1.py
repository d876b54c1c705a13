# SPDX-License-Identifier: Apache-2.0
"""Resources to the files of cgroup v1. Pure.

Source: Documentation/admin-guide/cgroup-v1 of the kernel; conversions and order
as runc has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf
from typing import Final

from libcontainer.cgroups.devices import v1_rules
from libcontainer.cgroups.writes import AnyOf, Write
from libcontainer.config.resources import DeviceRule, Resources, ThrottleDevice

_MEMORY: Final = "memory.limit_in_bytes"
_BOTH: Final = "memory.memsw.limit_in_bytes"

V2_ONLY: Final = {
    "cpuset_partition": "cpuset",
    "memory_high": "memory",
    "memory_low": "memory",
    "memory_min": "memory",
    "memory_swap_high": "memory",
    "memory_zswap": "memory",
    "memory_zswap_writeback": "memory",
    "oom_group": "memory",
    "io_latency": "io",
    "misc": "misc",
    "unified": "",
}
"""Fields that only cgroup v2 can hold to, with the controller they are of."""


def writes(resources: Resources, rules: Iterable[DeviceRule]) -> tuple[Write, ...]:
    """Return the files to write, in order.

    Args:
        resources: the limits; what is None is left as it is.
        rules: which devices may be used, added to those in force.
    """
    return (
        *_devices(rules),
        *_cpu(resources),
        *_cpuset(resources),
        *_memory(resources),
        *_pids(resources),
        *_blkio(resources),
        *_others(resources),
    )


def _number(controller: str, file: str, value: int | None) -> Iterable[Write]:
    if value is not None:
        yield Write(controller, file, str(value))


def _devices(rules: Iterable[DeviceRule]) -> Iterable[Write]:
    for allow, rule in v1_rules(rules):
        file = "devices.allow" if allow else "devices.deny"
        yield Write("devices", file, rule)


def _cpu(resources: Resources) -> Iterable[Write]:
    # The period of real-time first: the runtime must fit into it.
    yield from _number("cpu", "cpu.rt_period_us", resources.cpu_realtime_period)
    yield from _number("cpu", "cpu.rt_runtime_us", resources.cpu_realtime_runtime)
    if resources.cpu_shares:
        yield Write("cpu", "cpu.shares", str(resources.cpu_shares))
    yield from _number("cpu", "cpu.cfs_period_us", resources.cpu_period)
    yield from _number("cpu", "cpu.cfs_quota_us", resources.cpu_quota)
    yield from _number("cpu", "cpu.cfs_burst_us", resources.cpu_burst)
    yield from _number("cpu", "cpu.idle", resources.cpu_idle)


def _cpuset(resources: Resources) -> Iterable[Write]:
    if resources.cpuset_cpus:
        yield Write("cpuset", "cpuset.cpus", resources.cpuset_cpus)
    if resources.cpuset_mems:
        yield Write("cpuset", "cpuset.mems", resources.cpuset_mems)


def _memory(resources: Resources) -> Iterable[Write]:
    yield from _number("memory", _MEMORY, resources.memory)
    # Without a limit on memory none on swap makes sense, so it goes as well.
    swap = resources.memory_swap
    if resources.memory == -1 and swap is None:
        yield Write("memory", _BOTH, "-1", optional=True)
    elif swap is not None:
        yield Write("memory", _BOTH, str(swap))
    yield from _number(
        "memory", "memory.soft_limit_in_bytes", resources.memory_reservation
    )
    yield from _number("memory", "memory.swappiness", resources.memory_swappiness)
    if resources.disable_oom_killer is not None:
        value = str(int(resources.disable_oom_killer))
        yield Write("memory", "memory.oom_control", value)


def _pids(resources: Resources) -> Iterable[Write]:
    if resources.pids is not None:
        value = "max" if resources.pids < 0 else str(resources.pids)
        yield Write("pids", "pids.max", value)


def _blkio(resources: Resources) -> Iterable[Write]:
    if resources.blkio_weight is not None:
        yield _weight("weight", str(resources.blkio_weight))
    yield from _number("blkio", "blkio.leaf_weight", resources.blkio_leaf_weight)
    for device in resources.blkio_weight_devices:
        name = f"{device.major}:{device.minor}"
        if device.weight is not None:
            yield _weight("weight_device", f"{name} {device.weight}")
        if device.leaf_weight is not None:
            file = "blkio.leaf_weight_device"
            yield Write("blkio", file, f"{name} {device.leaf_weight}")
    yield from _throttle("read_bps", resources.blkio_throttle_read_bps)
    yield from _throttle("write_bps", resources.blkio_throttle_write_bps)
    yield from _throttle("read_iops", resources.blkio_throttle_read_iops)
    yield from _throttle("write_iops", resources.blkio_throttle_write_iops)


def _weight(what: str, value: str) -> Write:
    # Until Linux 5.0 it was CFQ's, since 5.4 it is BFQ's.
    old = Write("blkio", f"blkio.{what}", value)
    return AnyOf("blkio", f"blkio.bfq.{what}", value, others=(old,))


def _throttle(what: str, devices: tuple[ThrottleDevice, ...]) -> Iterable[Write]:
    for device in devices:
        value = f"{device.major}:{device.minor} {device.rate}"
        yield Write("blkio", f"blkio.throttle.{what}_device", value)


def _others(resources: Resources) -> Iterable[Write]:
    for size, limit in resources.hugetlb:
        yield Write("hugetlb", f"hugetlb.{size}.limit_in_bytes", str(limit))
        file = f"hugetlb.{size}.rsvd.limit_in_bytes"
        yield Write("hugetlb", file, str(limit), optional=True)
    for device, limits in resources.rdma:
        yield Write("rdma", "rdma.max", f"{device} {limits}")
    yield from _number("net_cls", "net_cls.classid", resources.net_cls_classid)
    for link, priority in resources.net_prio:
        yield Write("net_prio", "net_prio.ifpriomap", f"{link} {priority}")


def ordered(writes: Iterable[Write], now: Mapping[str, str]) -> tuple[Write, ...]:
    """Return *writes* in an order that the kernel takes.

    At each moment the limit on memory must not be above that on memory and swap
    together. So what grows above the latter comes after it.

    Args:
        writes: as `writes` gives them.
        now: what the files hold, by name.
    """
    found = tuple(writes)
    places = {write.file: place for place, write in enumerate(found)}
    memory, both = places.get(_MEMORY), places.get(_BOTH)
    if memory is None or both is None or _BOTH not in now:
        return found
    if _size(found[memory].value) <= _size(now[_BOTH]):
        return found
    rest = (write for write in found if write.file != _BOTH)
    return (found[both], *rest)


def _size(value: str) -> float:
    return inf if value == "-1" else int(value)
