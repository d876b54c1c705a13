# SPDX-License-Identifier: Apache-2.0
"""Limits of a bundle, or of an update (``config-linux.md`` *Control groups*)."""

from __future__ import annotations

from typing import Any, Final

from libcontainer.config.container_reader import Reader
from libcontainer.config.resources import (
    DeviceRule,
    Resources,
    ThrottleDevice,
    WeightDevice,
)
from libcontainer.oci.mounts import known, required

_INT64: Final = 2**63 - 1
_UINT64: Final = 2**64 - 1

# Key there, field of Resources, smallest value.
_CPU: Final = (
    ("shares", "cpu_shares", 0),
    ("quota", "cpu_quota", -1),
    ("burst", "cpu_burst", 0),
    ("period", "cpu_period", 0),
    ("realtimeRuntime", "cpu_realtime_runtime", 0),
    ("realtimePeriod", "cpu_realtime_period", 0),
    ("idle", "cpu_idle", 0),
)
_MEMORY: Final = (
    ("limit", "memory", -1),
    ("reservation", "memory_reservation", -1),
    ("swap", "memory_swap", -1),
    ("swappiness", "memory_swappiness", 0),
)
_THROTTLE: Final = (
    ("throttleReadBpsDevice", "blkio_throttle_read_bps"),
    ("throttleWriteBpsDevice", "blkio_throttle_write_bps"),
    ("throttleReadIOPSDevice", "blkio_throttle_read_iops"),
    ("throttleWriteIOPSDevice", "blkio_throttle_write_iops"),
)
# Zero says that nothing is wanted; for the others it is a limit.
ZERO_IS_NONE: Final = frozenset(
    {
        *("cpu_shares", "cpu_quota", "cpu_period", "memory", "memory_reservation"),
        *("memory_swap", "blkio_weight", "blkio_leaf_weight", "pids"),
        *("cpu_realtime_runtime", "cpu_realtime_period"),
    }
)
_OLD: Final = ("kernel", "kernelTCP", "useHierarchy", "checkBeforeUpdate")


def read_resources(resources: Reader) -> Resources:
    """Return the limits that an object means."""
    keys = ("devices", "pids", "blockIO", "cpu", "hugepageLimits", "memory", "network")
    known(resources, *keys, "rdma", "unified")
    found: dict[str, Any] = {}
    cpu, memory = resources.child("cpu"), resources.child("memory")
    known(cpu, *(key for key, _, _ in _CPU), "cpus", "mems")
    known(memory, *(key for key, _, _ in _MEMORY), "disableOOMKiller", *_OLD)
    for reader, table in ((cpu, _CPU), (memory, _MEMORY)):
        for key, name, low in table:
            _number(reader, key, name, low, found)
    if resources.get("pids"):
        required(resources.child("pids"), "limit")
    _number(resources.child("pids"), "limit", "pids", -1, found)
    found["cpuset_cpus"] = cpu.text("cpus") or None
    found["cpuset_mems"] = cpu.text("mems") or None
    if memory.boolean("disableOOMKiller"):
        found["disable_oom_killer"] = True
    if memory.boolean("checkBeforeUpdate"):
        found["memory_check_before_update"] = True
    for key in ("kernel", "kernelTCP"):
        if memory.get(key):
            memory.warn(key, "ignored: no kernel limits that by itself any more")
    found.update(_block(resources.child("blockIO")))
    found["hugetlb"] = _hugetlb(resources)
    found["rdma"] = _rdma(resources.child("rdma"))
    unified = resources.child("unified")
    found["unified"] = {str(key): unified.text(key) for key in unified.document}
    found["devices"] = tuple(_rules(resources))
    found.update(_network(resources.child("network")))
    return Resources(**found)


def _number(
    reader: Reader, key: str, name: str, low: int, found: dict[str, Any]
) -> None:
    if reader.get(key) is None:
        return
    value = reader.integer(key, low=low, high=_UINT64)
    if value > _INT64:
        value = -1
    if value or name not in ZERO_IS_NONE:
        found[name] = value


def _block(block: Reader) -> dict[str, Any]:
    known(block, "weight", "leafWeight", "weightDevice", *(key for key, _ in _THROTTLE))
    found: dict[str, Any] = {}
    _number(block, "weight", "blkio_weight", 0, found)
    _number(block, "leafWeight", "blkio_leaf_weight", 0, found)
    found["blkio_weight_devices"] = tuple(
        WeightDevice(
            item.integer("major"),
            item.integer("minor"),
            item.integer("weight") or None,
            item.integer("leafWeight") or None,
        )
        for item in block.children("weightDevice")
    )
    for key, name in _THROTTLE:
        found[name] = tuple(
            ThrottleDevice(
                item.integer("major"),
                item.integer("minor"),
                item.integer("rate", high=_UINT64),
            )
            for item in block.children(key)
        )
    return found


def _network(network: Reader) -> dict[str, Any]:
    known(network, "classID", "priorities")
    found: dict[str, Any] = {}
    # 0 is the class of every cgroup that has none.
    if network.get("classID"):
        found["net_cls_classid"] = network.integer("classID", high=2**32 - 1)
    priorities = {}
    for item in network.children("priorities"):
        known(item, "name", "priority")
        priorities[item.text("name")] = item.integer("priority", high=2**32 - 1)
    return {**found, "net_prio": priorities}


def _hugetlb(resources: Reader) -> dict[str, int]:
    found = {}
    for item in resources.children("hugepageLimits"):
        # Old bundles write it small.
        key = "pagesize" if "pagesize" in item.document else "pageSize"
        known(item, key, "limit")
        required(item, key, "limit")
        found[item.text(key)] = item.integer("limit", high=_UINT64)
    return found


def _rdma(rdma: Reader) -> dict[str, str]:
    found = {}
    for name in rdma.document:
        device = rdma.child(name)
        known(device, "hcaHandles", "hcaObjects")
        parts = []
        for key, word in (("hcaHandles", "hca_handle"), ("hcaObjects", "hca_object")):
            if device.get(key) is not None:
                parts.append(f"{word}={device.integer(key, high=2**32 - 1)}")
        found[str(name)] = " ".join(parts)
    return found


def _rules(resources: Reader) -> list[DeviceRule]:
    """Return the rules behind the last that denies everything.

    So begins every container of ours: what stands before has no effect.
    """
    found: list[DeviceRule] = []
    for item in resources.children("devices"):
        known(item, "allow", "type", "major", "minor", "access")
        required(item, "allow")
        rule = DeviceRule(
            item.boolean("allow"),
            type=item.text("type") or "a",
            major=_device_number(item, "major"),
            minor=_device_number(item, "minor"),
            access=_access(item),
        )
        if rule == DeviceRule(allow=False, access=rule.access) and set("rwm") <= set(
            rule.access
        ):
            found.clear()
        else:
            found.append(rule)
    return found


def _access(item: Reader) -> str:
    """Return what a rule is about; other letters mean nothing to anybody."""
    access = item.text("access") or "rwm"
    letters = "".join(letter for letter in "rwm" if letter in access)
    if not letters or set(access) <= set("rwm"):
        return access
    item.warn("access", f"{access!r} has other letters than r, w and m, passed over")
    return letters


def _device_number(item: Reader, key: str) -> int | None:
    number = item.get(key)
    return None if number is None or number == -1 else item.integer(key, high=2**32 - 1)
