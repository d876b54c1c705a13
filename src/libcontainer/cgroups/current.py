# SPDX-License-Identifier: Apache-2.0
"""Limits that hold already, where another one is worth nothing without them."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from libcontainer.cgroups.group import Group
from libcontainer.cgroups.values import read_value
from libcontainer.config import Resources
from libcontainer.errors import CgroupError

# Beyond what any machine has: so v1 says that there is no limit.
_UNLIMITED = 2**62


def lacks_other(resources: Resources) -> bool:
    """Tell whether a limit is given without the one that it goes together with."""
    swap = resources.memory_swap
    swaps = isinstance(swap, int) and swap >= 0 and resources.memory is None
    return swaps or _has_part(resources)


def _has_part(resources: Resources) -> bool:
    quota, period = resources.cpu_quota, resources.cpu_period
    bursts = resources.cpu_burst is not None and quota is None
    return bursts or (quota is None) != (period is None)


def with_current(group: Group, resources: Resources) -> Resources:
    """Add the limit on memory to one on swap, and what a quota has three parts of.

    In v2 quota and period of the processor are one file.

    Raises:
        CgroupError: the kernel, or the cgroup, does not have them.
    """
    changes: dict[str, Any] = {}
    if resources.memory_swap is not None and resources.memory is None:
        (memory,) = _read(group, "memory", "memory.max", "memory.limit_in_bytes")
        changes["memory"] = -1 if memory >= _UNLIMITED else memory
    if _has_part(resources):
        files = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        quota, period = _read(group, "cpu", "cpu.max", *files)
        if resources.cpu_quota is None:
            changes["cpu_quota"] = quota
        if resources.cpu_period is None:
            changes["cpu_period"] = period
    return evolve(resources, **changes)


def _read(group: Group, controller: str, v2: str, *v1: str) -> list[int]:
    path = group.directory(controller) or ""
    try:
        try:
            text = read_value(f"{path}/{v2}")
        except FileNotFoundError:
            text = " ".join(read_value(f"{path}/{file}") for file in v1)
    except OSError as error:
        what = f"read the limits of {controller} in force"
        raise CgroupError(error.errno or 0, what) from error
    return [-1 if word == "max" else int(word) for word in text.split()]
