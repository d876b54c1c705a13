# SPDX-License-Identifier: Apache-2.0
"""When and where a process runs: scheduler, I/O priority, processors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import field, frozen

from libcontainer.config.convert import prefixed, to_tuple
from libcontainer.config.numbers import to_optional_numbers

SCHEDULER_POLICIES: Final = {
    "SCHED_OTHER": 0,
    "SCHED_FIFO": 1,
    "SCHED_RR": 2,
    "SCHED_BATCH": 3,
    "SCHED_IDLE": 5,
    "SCHED_DEADLINE": 6,
}
"""Every policy by name (sched(7)). SCHED_ISO, which the OCI specification has
too, was never in a kernel."""

SCHEDULER_FLAGS: Final = {
    "SCHED_FLAG_RESET_ON_FORK": 0x01,
    "SCHED_FLAG_RECLAIM": 0x02,
    "SCHED_FLAG_DL_OVERRUN": 0x04,
    "SCHED_FLAG_KEEP_POLICY": 0x08,
    "SCHED_FLAG_KEEP_PARAMS": 0x10,
    "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20,
    "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
}
"""Every flag by name (sched_setattr(2))."""

IO_CLASSES: Final = {
    "IOPRIO_CLASS_RT": 1,
    "IOPRIO_CLASS_BE": 2,
    "IOPRIO_CLASS_IDLE": 3,
}
"""Every class of I/O by name (ioprio_set(2))."""


def _to_policy(value: str) -> str:
    return prefixed("SCHED_", value)


def _to_flags(value: Iterable[str]) -> tuple[str, ...]:
    words = to_tuple(value)
    if not isinstance(words, tuple):
        return words
    return tuple(prefixed("SCHED_FLAG_", word) for word in words)


def _to_class(value: str) -> str:
    return prefixed("IOPRIO_CLASS_", value)


@frozen(cache_hash=True)
class Scheduler:
    """How the kernel shares out processors to a process.

    More than the caller's own needs CAP_SYS_NICE on the host, or its
    RLIMIT_NICE and RLIMIT_RTPRIO. Children inherit it, unless a flag says
    otherwise. Source: sched(7), sched_setattr(2), OCI ``process.scheduler``.
    """

    policy: str = field(default="SCHED_OTHER", converter=_to_policy)
    """One of `SCHEDULER_POLICIES`, such as ``SCHED_BATCH`` or ``batch``."""

    nice: int = field(default=0, kw_only=True)
    """From -20, the most, to 19; of ``SCHED_OTHER`` and ``SCHED_BATCH``."""

    priority: int = field(default=0, kw_only=True)
    """From 1 to 99, the most; of ``SCHED_FIFO`` and ``SCHED_RR``."""

    flags: tuple[str, ...] = field(default=(), converter=_to_flags, kw_only=True)
    """Of `SCHEDULER_FLAGS`, such as ``SCHED_FLAG_RESET_ON_FORK``."""

    runtime: int = field(default=0, kw_only=True)
    """Nanoseconds in each period; of ``SCHED_DEADLINE``."""

    deadline: int = field(default=0, kw_only=True)
    """Nanoseconds in which *runtime* is to be had; of ``SCHED_DEADLINE``."""

    period: int = field(default=0, kw_only=True)
    """Nanoseconds; of ``SCHED_DEADLINE``. 0: the same as *deadline*."""


@frozen(cache_hash=True)
class IoPriority:
    """How the kernel orders a process's reads and writes.

    Needs an I/O scheduler that knows priorities, such as BFQ. Source:
    ioprio_set(2), OCI ``process.ioPriority``.
    """

    class_: str = field(default="IOPRIO_CLASS_BE", converter=_to_class)
    """One of `IO_CLASSES`. ``IOPRIO_CLASS_RT`` needs CAP_SYS_NICE on the host."""

    priority: int = field(default=4)
    """From 0, the most, to 7; 0 with ``IOPRIO_CLASS_IDLE``."""


@frozen(cache_hash=True)
class CpuAffinity:
    """The processors a process may run on, as texts like ``0-3,7``.

    Numbers and sequences of them are taken too. Those that are not there, or
    not of the cpuset, are left out by the kernel; if none remains it is an
    error. Source: sched_setaffinity(2), OCI ``process.execCPUAffinity``.
    """

    initial: str | None = field(
        default=None, converter=to_optional_numbers, kw_only=True
    )
    """While the process is being set up. None: the caller's."""

    final: str | None = field(default=None, converter=to_optional_numbers, kw_only=True)
    """What the program gets. None: *initial*."""
