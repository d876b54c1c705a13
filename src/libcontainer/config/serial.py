# SPDX-License-Identifier: Apache-2.0
"""Config to JSON values and back, for the state file.

The form follows the classes field by field; a class is told by its place, so
there are no type names in it, except for the two kinds of rootfs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import asdict

from libcontainer.config.devices import Device
from libcontainer.config.hooks import Hooks, hooks_from_json, hooks_to_json
from libcontainer.config.identity import Capabilities, Rlimit
from libcontainer.config.model import Config
from libcontainer.config.mounts import Mount, MountAttr, Propagation
from libcontainer.config.namespaces import IdMap, IdMapping, TimeOffset
from libcontainer.config.resources import (
    DeviceRule,
    LatencyDevice,
    Resources,
    ThrottleDevice,
    WeightDevice,
)
from libcontainer.config.rootfs import Directory, Overlay

_LISTS: dict[str, type[DeviceRule | LatencyDevice | ThrottleDevice | WeightDevice]] = {
    "devices": DeviceRule,
    "blkio_weight_devices": WeightDevice,
    "io_latency": LatencyDevice,
    "blkio_throttle_read_bps": ThrottleDevice,
    "blkio_throttle_write_bps": ThrottleDevice,
    "blkio_throttle_read_iops": ThrottleDevice,
    "blkio_throttle_write_iops": ThrottleDevice,
}
if TYPE_CHECKING:
    from libcontainer.config.landlock import Landlock

_ROOTFS: dict[str, type[Directory | Overlay]] = {
    "directory": Directory,
    "overlay": Overlay,
}


_SELDOM = (
    "scheduler",
    "io_priority",
    "cpu_affinity",
    "memory_policy",
    "personality",
    "intel_rdt",
)


_NETWORKS = ("networks", "routes", "dns")


def config_to_json(config: Config) -> dict[str, Any]:
    """Return *config* as JSON values."""
    document = asdict(config, filter=_is_plain, value_serializer=_serialize)
    document["hooks"] = hooks_to_json(config.hooks)
    if config.networks:
        from libcontainer.config.network import network_to_json  # noqa: PLC0415

        document["networks"] = [network_to_json(item) for item in config.networks]
    kind = "overlay" if isinstance(config.rootfs, Overlay) else "directory"
    document["rootfs"] = {kind: document["rootfs"]}
    return document


def config_from_json(document: Mapping[str, Any]) -> Config:
    """Return the configuration that `config_to_json` wrote.

    Raises:
        KeyError, TypeError: it is not of this form.
    """
    fields = dict(document)
    fields["rootfs"] = rootfs_from_json(fields["rootfs"])
    for name in ("base_mounts", "mounts"):
        fields[name] = [_mount(value) for value in fields[name]]
    for name in ("uid_mappings", "gid_mappings"):
        fields[name] = [IdMapping(**value) for value in fields[name]]
    fields["time_offsets"] = [
        (clock, TimeOffset(**offset))
        for clock, offset in fields.get("time_offsets", ())
    ]
    fields["devices"] = [Device(**value) for value in fields["devices"]]
    fields["rlimits"] = [Rlimit(**value) for value in fields["rlimits"]]
    fields["resources"] = _resources(fields["resources"])
    fields["capabilities"] = Capabilities(**fields["capabilities"])
    fields["landlock"] = _landlock(fields.get("landlock"))
    fields["hooks"] = hooks_from_json(fields.get("hooks", {}))
    if fields.get("seccomp") is not None:
        from libcontainer.config.seccomp_json import from_fields  # noqa: PLC0415

        fields["seccomp"] = from_fields(fields["seccomp"])
    fields |= _seldom({key: fields[key] for key in _SELDOM if fields.get(key)})
    fields |= _networks(fields)
    return Config(**fields)


def rootfs_from_json(document: Mapping[str, Any]) -> Directory | Overlay:
    """Return the root of what `config_to_json` wrote.

    Raises:
        KeyError, TypeError, ValueError: it is not of this form.
    """
    ((kind, rootfs),) = document.items()
    return _ROOTFS[kind](**_with_idmap(rootfs))


def _networks(fields: dict[str, Any]) -> dict[str, Any]:
    wanted = {key: fields[key] for key in _NETWORKS if fields.get(key)}
    if not wanted:
        return {}
    from libcontainer.config import network  # noqa: PLC0415

    read: dict[str, Callable[[Any], Any]] = {
        "networks": lambda items: [network.network_from_json(item) for item in items],
        "routes": lambda items: [network.Route(**item) for item in items],
        "dns": lambda item: network.Dns(**item),
    }
    return {key: read[key](value) for key, value in wanted.items()}


def _seldom(fields: dict[str, Any]) -> dict[str, Any]:
    if not fields:
        return {}
    from libcontainer.config import memory, rdt, scheduling  # noqa: PLC0415

    kinds = {
        "scheduler": scheduling.Scheduler,
        "io_priority": scheduling.IoPriority,
        "cpu_affinity": scheduling.CpuAffinity,
        "memory_policy": memory.MemoryPolicy,
        "personality": memory.Personality,
        "intel_rdt": rdt.IntelRdt,
    }
    return {name: kinds[name](**value) for name, value in fields.items()}


def _resources(value: Mapping[str, Any]) -> Resources:
    fields = dict(value)
    for name, kind in _LISTS.items():
        fields[name] = [kind(**item) for item in fields.get(name, ())]
    return Resources(**fields)


def _landlock(value: Mapping[str, Any] | None) -> Landlock | None:
    if value is None:
        return None
    from libcontainer.config import landlock  # noqa: PLC0415 - loaded only if used

    fields = dict(value)
    fields["paths"] = [landlock.LandlockPath(**item) for item in fields["paths"]]
    fields["ports"] = [landlock.LandlockPort(**item) for item in fields["ports"]]
    return landlock.Landlock(**fields)


def _is_plain(attribute: object, value: object) -> bool:
    if value is False:
        # Of the ranges of an id-mapped mount alone, so left out of all others.
        return getattr(attribute, "name", "") != "relative"
    return not isinstance(value, Hooks)


def _mount(value: Mapping[str, Any]) -> Mount:
    fields = _with_idmap(value)
    fields["propagation"] = Propagation(fields["propagation"])
    return Mount(**fields)


def _with_idmap(value: Mapping[str, Any]) -> dict[str, Any]:
    fields = dict(value)
    if fields.get("idmap") is not None:
        idmap = dict(fields["idmap"])
        for name in ("uid_mappings", "gid_mappings"):
            idmap[name] = [IdMapping(**mapping) for mapping in idmap[name]]
        fields["idmap"] = IdMap(**idmap)
    return fields


def _serialize(owner: object, field: object, value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, frozenset):
        return sorted(getattr(item, "value", item) for item in value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, MountAttr):
        return int(value)
    if isinstance(value, Propagation):
        return value.value
    return value
