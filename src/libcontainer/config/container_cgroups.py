# SPDX-License-Identifier: Apache-2.0
"""The cgroup of a ``container.json`` of format 1.2.0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from libcontainer.config.container_reader import Reader
from libcontainer.config.report import show
from libcontainer.config.resources import DeviceRule, Resources

_TYPES = {99: "c", 98: "b", "c": "c", "b": "b"}


def read_cgroups_path(cgroups: Reader) -> str | None:
    """Return where the cgroup is: below its parent, below the caller's own."""
    parent, name = cgroups.text("parent"), cgroups.text("name")
    cgroups.text("slice")
    path = "/".join(part for part in (parent, name) if part)
    if any(part == ".." for part in path.split("/")):
        cgroups.refuse("parent", f"must not have '..': {show(path)}")
        return None
    return path or None


def read_systemd_path(cgroups: Mapping[str, Any]) -> str | None:
    """Return ``slice:parent:name``, where systemd makes the cgroup; None without slice.

    Format 1.2.0 named the scope ``parent-name``; without systemd the slice had no
    effect.
    """
    parts = [str(cgroups.get(key) or "") for key in ("slice", "parent", "name")]
    if not parts[0] or not parts[2]:
        return None
    return ":".join(part.strip("/").replace("/", "-") for part in parts)


def read_resources(cgroups: Reader) -> Resources:
    """Return the limits; 0 was "none" in this format."""
    if cgroups.text("freezer") not in {"", "THAWED", "FROZEN"}:
        cgroups.refuse(
            "freezer", f"must be THAWED or FROZEN: {show(cgroups.get('freezer'))}"
        )
    memory = _limit(cgroups, "memory")
    return Resources(
        memory=memory,
        memory_swap=_swap(cgroups, memory),
        memory_reservation=_limit(cgroups, "memory_reservation"),
        cpu_shares=_limit(cgroups, "cpu_shares"),
        cpu_quota=_limit(cgroups, "cpu_quota"),
        cpu_period=_limit(cgroups, "cpu_period"),
        cpuset_cpus=cgroups.text("cpuset_cpus") or None,
        devices=_rules(cgroups),
    )


def _limit(cgroups: Reader, key: str) -> int | None:
    return cgroups.integer(key, low=-1) or None


def _swap(cgroups: Reader, memory: int | None) -> int | None:
    asked = cgroups.integer("memory_swap", low=-1)
    if asked == -1 or memory is None or memory == -1:
        return None
    if asked:
        cgroups.warn("memory_swap", "ignored as in 1.2.0: it is twice the memory")
    return 2 * memory


def _rules(cgroups: Reader) -> tuple[DeviceRule, ...]:
    rules = [_rule(device) for device in cgroups.children("allowed_devices")]
    if cgroups.boolean("allow_all_devices"):
        return (DeviceRule(allow=True),)
    return tuple(rules)


def _rule(device: Reader) -> DeviceRule:
    device.check_types("path", "file_mode")
    kind = device.get("type")
    letter = _TYPES.get(kind) if isinstance(kind, int | str) else None
    if letter is None:
        device.refuse("type", f"must be 99 ('c') or 98 ('b'), not {show(kind)}")
    access = device.text("cgroup_permissions")
    if not access or set(access) - set("rwm"):
        device.refuse("cgroup_permissions", f"must be of 'rwm', not {show(access)}")
        access = "rwm"
    return DeviceRule(
        allow=True,
        type=letter or "c",
        major=_number(device, "major_number", 4095),
        minor=_number(device, "minor_number", 1048575),
        access="".join(letter for letter in "rwm" if letter in access),
    )


def _number(device: Reader, key: str, most: int) -> int | None:
    number = device.integer(key, low=-1, high=most)
    return None if number == -1 else number
