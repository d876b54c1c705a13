# SPDX-License-Identifier: Apache-2.0
"""What a cgroup has used: one form for v1 and v2. Pure data.

Times are nanoseconds, sizes bytes, counts since the cgroup was made. A controller that
is not there leaves its part empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import field, frozen

if TYPE_CHECKING:
    from libcontainer.network.stats import InterfaceStats


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
    per_cpu_user: tuple[int, ...] = ()
    """By processor in user mode; v1 only."""
    per_cpu_system: tuple[int, ...] = ()
    """By processor in the kernel; v1 only."""
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
    soft_limit: int | None = None
    """Above this it is pressed back: ``memory.high``, v1 the soft limit."""
    swap_usage: int | None = None
    """In swap now; None without swap accounting."""
    swap_peak: int | None = None
    """The most that was in swap; v1: in memory and swap together."""
    swap_limit: int | None = None
    """The limit on swap; v1: on memory and swap together."""
    swap_failures: int = 0
    """How often that limit was hit."""
    kernel: int = 0
    """Of the usage, what the kernel holds for the cgroup."""
    kernel_tcp: int = 0
    """Buffers of TCP."""
    zswap: int | None = None
    """Compressed swap in memory; v2 only."""
    failures: int = 0
    """How often the limit was hit."""
    oom_kills: int = 0
    """Processes that were killed for want of memory."""
    events: Mapping[str, int] = field(factory=dict)
    """``memory.events``, in the kernel's words; v2 only."""
    detail: Mapping[str, int] = field(factory=dict)
    """``memory.stat``, in the kernel's words."""
    numa: Mapping[str, tuple[int, ...]] = field(factory=dict)
    """``memory.numa_stat``: bytes of each node by the kernel's word; v1 has
    ``hierarchical_`` words too, which count sub-cgroups as v2 always does."""


@frozen(kw_only=True)
class PidsStats:
    """Processes and threads."""

    current: int = 0
    """How many there are."""
    peak: int | None = None
    """The most there were; None where the kernel does not keep it."""
    limit: int | None = None
    """How many there may be; None is no limit."""
    failures: int = 0
    """How often a fork was refused."""


@frozen(kw_only=True)
class IoStats:
    """What went to and from one block device.

    Queues, merges and times are those of the BFQ scheduler of a kernel that counts
    them (CONFIG_BFQ_CGROUP_DEBUG), on v1. The *cost* fields are those of ``io.cost``,
    on v2.
    """

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
    queued_reads: int = 0
    """Reads that wait in the queue now."""
    queued_writes: int = 0
    """Writes that wait in the queue now."""
    merged_reads: int = 0
    """Reads that were merged into others."""
    merged_writes: int = 0
    """Writes that were merged into others."""
    read_service_time: int = 0
    """From the device's taking of reads to their end."""
    write_service_time: int = 0
    """The same for writes."""
    read_wait_time: int = 0
    """Time that reads have spent in queues."""
    write_wait_time: int = 0
    """The same for writes."""
    disk_time: int = 0
    """Time for which the device was the cgroup's."""
    sectors: int = 0
    """Sectors that were moved, of 512 bytes."""
    cost_vrate: float | None = None
    """Speed of the device's clock in percent; of the root cgroup alone."""
    cost_usage: int | None = None
    """Time of the device that was used, in nanoseconds."""
    cost_wait: int | None = None
    """Time spent waiting for it."""
    cost_indebt: int | None = None
    """Time in debt."""
    cost_indelay: int | None = None
    """Time in which processes were slowed down for a debt."""
    detail: Mapping[str, int] = field(factory=dict)
    """Every other number of ``io.stat``, such as those of ``io.latency``."""


@frozen(kw_only=True)
class HugetlbStats:
    """Huge pages of one size, in bytes."""

    usage: int = 0
    """In use now."""
    peak: int | None = None
    """The most that was in use; v1 only."""
    limit: int | None = None
    """How many may be; None is no limit."""
    failures: int = 0
    """How often the limit was hit."""


@frozen(kw_only=True)
class RdmaStats:
    """Resources of one RDMA device; a limit of None is no limit."""

    handles: int = 0
    """Handles that are open."""
    handle_limit: int | None = None
    """How many may be."""
    objects: int = 0
    """Objects that are there."""
    object_limit: int | None = None
    """How many may be."""


@frozen(kw_only=True)
class MiscStats:
    """One resource of the misc controller, in its own unit; v2 only."""

    usage: int = 0
    """In use now."""
    peak: int | None = None
    """The most that was in use; None where the kernel does not keep it."""
    limit: int | None = None
    """How much may be; None is no limit."""
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

    time: float = field(default=0.0, eq=False)
    """When it was measured: seconds of `time.monotonic`. No part of what makes two
    measurements equal."""
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
    rdma: Mapping[str, RdmaStats] = field(factory=dict)
    """RDMA devices, by name."""
    misc: Mapping[str, MiscStats] = field(factory=dict)
    """Resources of the misc controller, by name."""
    cpu_pressure: Pressure | None = None
    """Waiting for a processor; None where the kernel does not tell."""
    memory_pressure: Pressure | None = None
    """Waiting for memory."""
    io_pressure: Pressure | None = None
    """Waiting for block devices."""
    irq_pressure: Pressure | None = None
    """Waiting while the processor served interrupts."""
    interfaces: Mapping[str, InterfaceStats] = field(factory=dict)
    """Links of the container's own network namespace, by name, as long as init
    lives; the counters are the container's view."""

    def _repr_html_(self) -> str:
        from libcontainer.cgroups.html import html_table  # noqa: PLC0415 - notebooks

        return html_table(self)


def cpu_percent(before: Stats, after: Stats) -> float:
    """Return how much of one processor was used between two measurements.

    100 is one processor all the time; with more, it can be more. 0 where no time has
    passed, or *after* is not of the same cgroup.
    """
    seconds = after.time - before.time
    used = after.cpu.usage - before.cpu.usage
    return used / 1e9 / seconds * 100 if seconds > 0 and used > 0 else 0.0
