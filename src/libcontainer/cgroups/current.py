# SPDX-License-Identifier: Apache-2.0
"""Limits that hold already, where another one is worth nothing without them."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from libcontainer.cgroups.group import Group
from libcontainer.config import Resources

# Beyond what any machine has: so v1 says that there is no limit.
_UNLIMITED = 2**62


def lacks_other(resources: Resources) -> bool:
    """Tell whether a limit is given without the one that it is an addition to."""
    swap, burst = resources.memory_swap, resources.cpu_burst
    swaps = isinstance(swap, int) and swap >= 0 and resources.memory is None
    bursts = isinstance(burst, int) and burst > 0 and resources.cpu_quota is None
    return swaps or bursts


def with_current(group: Group, resources: Resources) -> Resources:
    """Add the limit on memory to one on swap, and the quota to a burst, as they are.

    Raises:
        OSError: the cgroup is gone.
    """
    changes: dict[str, Any] = {}
    if resources.memory_swap is not None and resources.memory is None:
        memory = _read(group, "memory", "memory.max", "memory.limit_in_bytes")
        changes["memory"] = -1 if memory >= _UNLIMITED else memory
    if resources.cpu_burst and resources.cpu_quota is None:
        changes["cpu_quota"] = _read(group, "cpu", "cpu.max", "cpu.cfs_quota_us")
    return evolve(resources, **changes)


def _read(group: Group, controller: str, v2: str, v1: str) -> int:
    path = group.directory(controller) or ""
    try:
        with open(f"{path}/{v2}", encoding="ascii") as file:
            word = file.read().split()[0]
    except FileNotFoundError:
        with open(f"{path}/{v1}", encoding="ascii") as file:
            word = file.read().split()[0]
    return -1 if word == "max" else int(word)
