# SPDX-License-Identifier: Apache-2.0
"""What a container may use: the limits of its cgroup.

One field is one limit, named as in the OCI runtime specification where that has
a word for it. None leaves the kernel's default. Which file of cgroup v1 or v2 a
field becomes is told by `libcontainer.cgroups.v1` and `.v2`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from attrs import field, frozen

from libcontainer.config.convert import is_integer, to_pairs, to_tuple

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

UNLIMITED: Final = -1
"""No limit: the kernel's ``max``, also where a parent has a lower one."""

_UNITS: Final = {"": 1, "K": KIB, "M": MIB, "G": GIB, "T": 1024 * GIB}
_SIZE: Final = re.compile(r"([0-9]{1,18})([KMGTkmgt]?)(?:[iI]?[bB])?")


def to_bytes(value: int | str | None) -> int | None:
    """Return a size as bytes: ``"256M"`` is 256 MiB, ``"max"`` no limit."""
    if not isinstance(value, str):
        return value
    if value == "max":
        return UNLIMITED
    found = _SIZE.fullmatch(value)
    if found is None:
        return cast("int", value)  # the validator reports it
    return int(found[1]) * _UNITS[found[2].upper()]


def _to_sizes(value: Mapping[str, int | str]) -> tuple[tuple[str, int], ...]:
    pairs = to_pairs(cast("Mapping[str, str]", value))
    if not isinstance(pairs, tuple):
        return pairs
    return tuple(_sized(pair) for pair in pairs)


def _sized(pair: Any) -> Any:  # noqa: ANN401
    if isinstance(pair, tuple) and len(pair) == 2:
        return pair[0], to_bytes(pair[1])
    return pair


def _to_cpus(value: str | int | Iterable[int] | None) -> str | None:
    """Return a set of numbers as the kernel's list format: ``0-3,7``."""
    if value is None or isinstance(value, str):
        return value
    if is_integer(value):
        return str(value)
    items = to_tuple(cast("Iterable[int]", value))
    if isinstance(items, tuple) and all(is_integer(item) for item in items):
        return ",".join(str(item) for item in sorted(set(items)))
    return cast("str", value)


@frozen
class DeviceRule:
    """Allows or denies devices; a later rule goes before an earlier one."""

    allow: bool
    """Whether the accesses are allowed."""

    type: str = field(default="a", kw_only=True)
    """``c``, ``b``, or ``a`` for both kinds."""

    major: int | None = field(default=None, kw_only=True)
    """Major number, None for any."""

    minor: int | None = field(default=None, kw_only=True)
    """Minor number, None for any."""

    access: str = field(default="rwm", kw_only=True)
    """Some of ``r`` (read), ``w`` (write) and ``m`` (mknod)."""


def _to_rules(value: Iterable[DeviceRule]) -> tuple[DeviceRule, ...]:
    return to_tuple(value)


@frozen
class ThrottleDevice:
    """How fast a block device may be used."""

    major: int
    """Major number."""

    minor: int
    """Minor number."""

    rate: int
    """Bytes or operations a second; 0 is no limit."""


@frozen
class WeightDevice:
    """The share of one block device."""

    major: int
    """Major number."""

    minor: int
    """Minor number."""

    weight: int | None = None
    """From 10 to 1000, None leaves it."""

    leaf_weight: int | None = None
    """Against the cgroup's own children; v1 only."""


@frozen
class LatencyDevice:
    """How long a block device may keep the cgroup waiting."""

    major: int
    """Major number."""

    minor: int
    """Minor number."""

    target: int
    """Microseconds; while it is missed, cgroups with a higher target are slowed
    down. 0 is no target."""


@frozen(kw_only=True, cache_hash=True)
class Resources:
    """Limits and shares of a container's cgroup; a size may be text, ``"64M"``."""

    cpu_shares: int | None = field(default=None)
    """Relative share of processor time, from 2 to 262144; the kernel's is 1024."""

    cpu_quota: int | None = field(default=None)
    """Microseconds of processor time in each period; -1 is no limit."""

    cpu_period: int | None = field(default=None)
    """Length of a period, from 1000 to 1000000 microseconds; the kernel's is
    100000."""

    cpu_burst: int | None = field(default=None)
    """Microseconds saved up at most and used above the quota (Linux 5.14)."""

    cpu_idle: int | None = field(default=None)
    """1 runs only when nothing else wants to (Linux 5.15), 0 does not."""

    cpu_realtime_runtime: int | None = field(default=None)
    """Microseconds of real-time scheduling in each period; v1 only."""

    cpu_realtime_period: int | None = field(default=None)
    """Length of a real-time period in microseconds; v1 only."""

    cpuset_cpus: str | None = field(default=None, converter=_to_cpus)
    """Processors that may be used: ``"0-3,7"`` or numbers."""

    cpuset_mems: str | None = field(default=None, converter=_to_cpus)
    """Memory nodes that may be used: ``"0-1"`` or numbers."""

    cpuset_partition: str | None = field(default=None)
    """``root`` takes the processors of *cpuset_cpus* from all others, ``isolated``
    also from the scheduler's balancing, ``member`` shares them; v2. The cgroup above
    must be a partition itself."""

    memory: int | None = field(default=None, converter=to_bytes)
    """Most memory in bytes, swap not included; -1 is no limit."""

    memory_reservation: int | None = field(default=None, converter=to_bytes)
    """Bytes that are left alone longest under pressure (v1 soft limit, v2
    ``memory.low``). Late kernels take a soft limit of v1 and do nothing."""

    memory_swap: int | None = field(default=None, converter=to_bytes)
    """Most memory and swap together, in bytes; -1 is no limit."""

    memory_swappiness: int | None = field(default=None)
    """How readily memory is swapped out, from 0 to 100; v1 only."""

    memory_check_before_update: bool | None = field(default=None)
    """Whether a limit on memory below what is in use is refused. Without it v2 takes
    memory back and may kill for that; v1 refuses in any case."""

    memory_high: int | None = field(default=None, converter=to_bytes)
    """Bytes above which processes are slowed down and memory is reclaimed; v2."""

    memory_low: int | None = field(default=None, converter=to_bytes)
    """Bytes kept as long as others have something to give; v2."""

    memory_min: int | None = field(default=None, converter=to_bytes)
    """Bytes that are never reclaimed; v2."""

    memory_swap_high: int | None = field(default=None, converter=to_bytes)
    """Bytes in swap above which processes are slowed down; v2, Linux 5.8."""

    memory_zswap: int | None = field(default=None, converter=to_bytes)
    """Most bytes of compressed swap in memory; v2."""

    memory_zswap_writeback: bool | None = field(default=None)
    """Whether compressed pages may go out to the swap device; v2, Linux 6.8."""

    oom_group: bool | None = field(default=None)
    """Whether an out-of-memory kill takes every process of the cgroup; v2."""

    disable_oom_killer: bool | None = field(default=None)
    """Whether processes are stopped instead of killed; v1 only."""

    pids: int | None = field(default=None)
    """Most processes and threads; -1 is no limit."""

    blkio_weight: int | None = field(default=None)
    """Share of every block device, from 10 to 1000."""

    blkio_leaf_weight: int | None = field(default=None)
    """Share against the cgroup's own children, from 10 to 1000; v1 only."""

    blkio_weight_devices: tuple[WeightDevice, ...] = field(
        default=(), converter=to_tuple
    )
    """Shares of single devices."""

    blkio_throttle_read_bps: tuple[ThrottleDevice, ...] = field(
        default=(), converter=to_tuple
    )
    """Most bytes read a second, by device."""

    blkio_throttle_write_bps: tuple[ThrottleDevice, ...] = field(
        default=(), converter=to_tuple
    )
    """Most bytes written a second, by device."""

    blkio_throttle_read_iops: tuple[ThrottleDevice, ...] = field(
        default=(), converter=to_tuple
    )
    """Most reads a second, by device."""

    blkio_throttle_write_iops: tuple[ThrottleDevice, ...] = field(
        default=(), converter=to_tuple
    )
    """Most writes a second, by device."""

    io_latency: tuple[LatencyDevice, ...] = field(default=(), converter=to_tuple)
    """Latency targets of block devices; v2, with CONFIG_BLK_CGROUP_IOLATENCY."""

    hugetlb: tuple[tuple[str, int], ...] = field(default=(), converter=_to_sizes)
    """Most bytes in huge pages, used or reserved, by page size: ``{"2MB": "64M"}``."""

    rdma: tuple[tuple[str, str], ...] = field(default=(), converter=to_pairs)
    """Limits of RDMA devices by name: ``{"mlx5_0": "hca_handle=2 hca_object=max"}``."""

    misc: tuple[tuple[str, int], ...] = field(default=(), converter=_to_sizes)
    """Limits of the misc controller by resource; v2."""

    unified: tuple[tuple[str, str], ...] = field(default=(), converter=to_pairs)
    """Any file of cgroup v2 by name, written as it is, after all others."""

    net_cls_classid: int | None = field(default=None)
    """Class of its packets for traffic control, as tc(8) counts: 0x10001 is 1:1.
    v1, with the net_cls controller mounted."""

    net_prio: tuple[tuple[str, int], ...] = field(default=(), converter=to_pairs)
    """Priority of its packets by link: ``{"eth0": 5}``. v1, with net_prio."""

    devices: tuple[DeviceRule, ...] = field(default=(), converter=_to_rules)
    """Rules about devices. They come after those that every container has: its
    standard and own nodes, terminals, making of nodes, and nothing else. On v2
    they become a program (bpf(2)), which needs CAP_SYS_ADMIN in the first user
    namespace: without it there is none, and a rule that denies is an error."""
