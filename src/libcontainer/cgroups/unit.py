# SPDX-License-Identifier: Apache-2.0
"""A container as a systemd unit: its name, its place, its properties. Pure.

Source: systemd.resource-control(5), systemd.slice(5), org.freedesktop.systemd1(5);
conversions as runc has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from libcontainer.cgroups import v2
from libcontainer.config import DeviceRule, Resources
from libcontainer.errors import ConfigError, Problem

Property = tuple[str, str, Any]
"""Name, D-Bus signature and value of a property."""

PREFIX: Final = "libcontainer"
_NO_LIMIT: Final = 2**64 - 1
_MAX_NAME: Final = 255
_PERIOD: Final = 100_000
_SLICE: Final = re.compile(r"-\.slice|[A-Za-z0-9:_.\\@]+(-[A-Za-z0-9:_.\\@]+)*\.slice")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:-]")

# Field, property of v2, property of v1 or None.
_SIZES: Final = (
    ("memory", "MemoryMax", "MemoryLimit"),
    ("memory_high", "MemoryHigh", None),
    ("memory_low", "MemoryLow", None),
    ("memory_min", "MemoryMin", None),
    ("memory_zswap", "MemoryZSwapMax", None),
    ("pids", "TasksMax", "TasksMax"),
)
_UNIFIED: Final = {
    "memory.max": "MemoryMax",
    "memory.high": "MemoryHigh",
    "memory.low": "MemoryLow",
    "memory.min": "MemoryMin",
    "memory.swap.max": "MemorySwapMax",
    "memory.zswap.max": "MemoryZSwapMax",
    "pids.max": "TasksMax",
    "cpu.weight": "CPUWeight",
}


def unit_name(container_id: str, path: str | None) -> tuple[str | None, str]:
    """Return the slice, None for the manager's own, and the name of the scope.

    Args:
        container_id: the container's id.
        path: ``slice:prefix:name``, the first two may be empty, or None.

    Raises:
        ConfigError: *path* is not of that form.
    """
    if path is None:
        return None, _scope(PREFIX, container_id)
    words = path.split(":")
    problem = None
    if len(words) != 3 or not words[2]:
        problem = "must be slice:prefix:name where systemd makes the cgroup"
    elif words[0] and not _SLICE.fullmatch(words[0]):
        problem = f"must begin with the name of a slice, not {words[0]!r}"
    elif words[2].endswith((".slice", ".service")) or "/" in words[1] + words[2]:
        problem = f"must end with the name of a scope, not {words[2]!r}"
    if problem is not None:
        raise ConfigError([Problem("cgroups_path", problem)])
    return words[0] or None, _scope(words[1], words[2])


def _scope(prefix: str, name: str) -> str:
    whole = f"{prefix}-{name}" if prefix else name
    escaped = "".join(c if _PLAIN.match(c) else _escaped(c) for c in whole)
    scope = f"{escaped.removesuffix('.scope')}.scope"
    if len(scope) > _MAX_NAME:
        problem = f"makes the name of a unit longer than {_MAX_NAME} bytes"
        raise ConfigError([Problem("cgroups_path", problem)])
    return scope


def _escaped(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character.encode())


def slice_path(name: str) -> str:
    """Return where a slice is below its manager: ``a-b.slice`` is in ``a.slice``."""
    if name == "-.slice":
        return ""
    parts = name.removesuffix(".slice").split("-")
    whole = ["-".join(parts[: end + 1]) for end in range(len(parts))]
    return "".join(f"/{part}.slice" for part in whole)


def scope_properties(container_id: str, pid: int, in_slice: str) -> list[Property]:
    """Return what makes a scope a container's: its process, its place.

    Args:
        container_id: the container's id.
        pid: a process that is in it first, as systemd counts pids.
        in_slice: the name of its slice.
    """
    return [
        ("Description", "s", f"libcontainer container {container_id}"),
        ("Slice", "s", in_slice),
        ("Delegate", "b", True),
        ("PIDs", "au", [pid]),
        ("DefaultDependencies", "b", False),
        # A scope that has failed is gone as well: its name may be used again.
        ("CollectMode", "s", "inactive-or-failed"),
        *((f"{what}Accounting", "b", True) for what in ("CPU", "Memory", "Tasks")),
    ]


def resource_properties(resources: Resources, *, unified: bool) -> list[Property]:
    """Return the limits that systemd has a word for.

    It writes its own values again whenever it thinks fit, so it has to know ours.

    Args:
        resources: the limits.
        unified: whether systemd manages cgroup v2.
    """
    found: list[Property] = []
    for field, new, old in _SIZES:
        value, name = getattr(resources, field), new if unified else old
        if value is not None and name is not None:
            found.append((name, "t", _limit(value)))
    found += _weights(resources, unified=unified)
    found += _quota(resources)
    if not unified:
        return found
    low, swap = resources.memory_reservation, resources.memory_swap
    if low is not None and resources.memory_low is None:
        found.append(("MemoryLow", "t", _limit(low)))
    if swap is not None:
        limit = v2.swap_limit(resources.memory, swap)
        found.append(("MemorySwapMax", "t", _limit(limit)))
    for field, name in (
        ("cpuset_cpus", "AllowedCPUs"),
        ("cpuset_mems", "AllowedMemoryNodes"),
    ):
        if getattr(resources, field) is not None:
            found.append((name, "ay", bit_mask(getattr(resources, field))))
    return [*found, *_raw(resources.unified)]


def _limit(value: int) -> int:
    return _NO_LIMIT if value < 0 else value


def _weights(resources: Resources, *, unified: bool) -> Iterable[Property]:
    shares, weight = resources.cpu_shares, resources.blkio_weight
    if shares and not unified:
        yield "CPUShares", "t", shares
    elif shares and resources.cpu_idle != 1:
        yield "CPUWeight", "t", v2.shares_to_weight(shares)
    if weight and not unified:
        yield "BlockIOWeight", "t", weight
    elif weight:
        yield "IOWeight", "t", v2.blkio_to_io_weight(weight)


def _quota(resources: Resources) -> Iterable[Property]:
    quota, period = resources.cpu_quota, resources.cpu_period
    if period is not None:
        yield "CPUQuotaPeriodUSec", "t", period
    if quota is None:
        return
    if quota <= 0:
        yield "CPUQuotaPerSecUSec", "t", _NO_LIMIT
        return
    # systemd counts in hundredths, and must never give less than was asked for.
    share = quota * 1_000_000 // (period or _PERIOD)
    yield "CPUQuotaPerSecUSec", "t", -(-share // 10_000) * 10_000


def _raw(files: Iterable[tuple[str, str]]) -> Iterable[Property]:
    for file, value in files:
        if file in _UNIFIED and (value == "max" or value.isdigit()):
            yield _UNIFIED[file], "t", _NO_LIMIT if value == "max" else int(value)
        elif file in {"cpuset.cpus", "cpuset.mems"} and value:
            name = "AllowedCPUs" if file.endswith("cpus") else "AllowedMemoryNodes"
            yield name, "ay", bit_mask(value)
        elif file == "cpu.max":
            quota, _, period = value.partition(" ")
            limits = Resources(
                cpu_quota=int(quota) if quota.isdigit() else -1,
                cpu_period=int(period) if period.isdigit() else None,
            )
            yield from _quota(limits)


def bit_mask(numbers: str) -> bytes:
    """Return a list such as ``0-3,7`` as systemd has it: a bit each, lowest first."""
    mask = 0
    for part in numbers.split(","):
        first, _, last = part.partition("-")
        for number in range(int(first), int(last or first) + 1):
            mask |= 1 << number
    return mask.to_bytes((mask.bit_length() + 7) // 8 or 1, "little")


def device_properties(rules: Iterable[DeviceRule]) -> tuple[list[Property], bool]:
    """Return the devices that may be used, and whether that is exactly what is asked.

    systemd knows no rule that denies a part of what another allows: there it allows
    more than *rules* do.
    """
    allowed: dict[tuple[str, int | None, int | None], set[str]] = {}
    exact, everything = True, False
    for rule in rules:
        kinds = ("b", "c") if rule.type == "a" else (rule.type,)
        for kind in kinds:
            key, letters = (kind, rule.major, rule.minor), set(rule.access)
            if rule.allow:
                allowed.setdefault(key, set()).update(letters)
            else:
                exact &= _take_away(allowed, key, letters)
        everything = (rule.allow and rule.type == "a") or (everything and rule.allow)
    if everything:
        return [("DeviceAllow", "a(ss)", []), ("DevicePolicy", "s", "auto")], exact
    entries = []
    for key, letters in allowed.items():
        name, precise = _device(key)
        exact &= precise
        if letters:
            entries.append((name, "".join(c for c in "rwm" if c in letters)))
    return [
        ("DevicePolicy", "s", "strict"),
        ("DeviceAllow", "a(ss)", []),
        ("DeviceAllow", "a(ss)", entries),
    ], exact


def _take_away(
    allowed: dict[tuple[str, int | None, int | None], set[str]],
    key: tuple[str, int | None, int | None],
    letters: set[str],
) -> bool:
    exact = True
    for other, has in allowed.items():
        if other[0] != key[0] or not has & letters:
            continue
        if all(
            mine in {None, its} for mine, its in zip(key[1:], other[1:], strict=True)
        ):
            has.difference_update(letters)
        elif all(
            None in {mine, its} or mine == its
            for mine, its in zip(key[1:], other[1:], strict=True)
        ):
            exact = False
    return exact


def _device(key: tuple[str, int | None, int | None]) -> tuple[str, bool]:
    kind = "char" if key[0] == "c" else "block"
    if key[1] is None:
        return f"{kind}-*", key[2] is None
    if key[2] is None:
        return f"{kind}-{key[1]}", True
    return f"/dev/{kind}/{key[1]}:{key[2]}", True
