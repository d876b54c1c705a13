# SPDX-License-Identifier: Apache-2.0
"""``libcontainer events``: what a container uses, in the form of ``runc events``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from libcontainer.cgroups.stats import IoStats, MemoryStats, Stats
from libcontainer.commands.oci_common import load, open_factory
from libcontainer.commands.options import Arguments
from libcontainer.container import Container
from libcontainer.errors import StateError, TimeoutExpired

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_INTERVAL: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)?")
_NO_LIMIT: Final = 2**64 - 1


def events(arguments: Arguments) -> int:
    """Print a line at each interval until the container has stopped."""
    seconds = _seconds(arguments.interval)
    with open_factory(arguments) as factory:
        container = load(factory, arguments)
        if container.state().status.value not in {"created", "running", "paused"}:
            raise StateError(container.id, container.status().value, "measure")
        killed = 0
        while True:
            stats = container.stats()
            if stats.memory.oom_kills > killed:
                killed = stats.memory.oom_kills
                _say("oom", container, None)
            _say("stats", container, describe(stats))
            if arguments.stats or _has_stopped(container, seconds):
                return 0


def _has_stopped(container: Container, seconds: float) -> bool:
    try:
        container.wait(seconds)
    except TimeoutExpired:
        return False
    return True


def _say(kind: str, container: Container, data: Mapping[str, Any] | None) -> None:
    found: dict[str, Any] = {"type": kind, "id": container.id}
    if data is not None:
        found["data"] = data
    print(json.dumps(found, separators=(",", ":")), flush=True)


def _seconds(text: str) -> float:
    found = _INTERVAL.fullmatch(text)
    seconds = float(found[1]) * _UNITS[found[2] or "s"] if found else 0.0
    if seconds <= 0:
        message = f"--interval must be a time such as 5s or 500ms, not {text!r}"
        raise ValueError(message)
    return seconds


def describe(stats: Stats) -> dict[str, Any]:
    """Return statistics in the words of ``runc events``."""
    cpu, pids = stats.cpu, stats.pids
    usage = {"total": cpu.usage, "kernel": cpu.system, "user": cpu.user}
    if cpu.per_cpu:
        usage["percpu"] = list(cpu.per_cpu)  # type: ignore[assignment]
    throttling = {
        "periods": cpu.periods,
        "throttledPeriods": cpu.throttled_periods,
        "throttledTime": cpu.throttled,
    }
    return {
        "cpu": {"usage": usage, "throttling": throttling},
        "memory": _memory(stats.memory),
        "pids": {"current": pids.current, "limit": pids.limit or 0},
        "blkio": _blkio(stats.io),
        "hugetlb": {
            size: {"usage": page.usage, "max": page.peak or 0, "failcnt": page.failures}
            for size, page in stats.hugetlb.items()
        },
        "intel_rdt": {},
        "network_interfaces": None,
    }


def _memory(memory: MemoryStats) -> dict[str, Any]:
    limit = _NO_LIMIT if memory.limit is None else memory.limit
    swap = _NO_LIMIT if memory.swap_limit is None else memory.swap_limit
    return {
        "cache": memory.detail.get("cache", memory.detail.get("file", 0)),
        "usage": {
            "limit": limit,
            "usage": memory.usage,
            "max": memory.peak or 0,
            "failcnt": memory.failures,
        },
        "swap": {"limit": swap, "usage": memory.swap_usage or 0, "failcnt": 0},
        "kernel": {"usage": memory.kernel, "failcnt": 0},
        "kernelTCP": {"failcnt": 0},
        "raw": dict(memory.detail),
    }


def _blkio(devices: tuple[IoStats, ...]) -> dict[str, Any]:
    table = (
        ("ioServiceBytesRecursive", "Read", "read_bytes"),
        ("ioServiceBytesRecursive", "Write", "write_bytes"),
        ("ioServicedRecursive", "Read", "reads"),
        ("ioServicedRecursive", "Write", "writes"),
    )
    found: dict[str, Any] = {}
    for device in devices:
        for key, word, name in table:
            entry = {
                "major": device.major,
                "minor": device.minor,
                "op": word,
                "value": getattr(device, name),
            }
            found.setdefault(key, []).append(entry)
    return found
