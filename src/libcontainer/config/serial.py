# SPDX-License-Identifier: Apache-2.0
"""Config to JSON values and back, for the state file.

The form follows the classes field by field; a class is told by its place, so
there are no type names in it, except for the two kinds of rootfs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import asdict

from libcontainer.config.devices import Device
from libcontainer.config.identity import Capabilities, Rlimit
from libcontainer.config.model import Config
from libcontainer.config.mounts import Mount, MountAttr, Propagation
from libcontainer.config.namespaces import IdMapping
from libcontainer.config.rootfs import Directory, Overlay

_ROOTFS: dict[str, type[Directory | Overlay]] = {
    "directory": Directory,
    "overlay": Overlay,
}


_SELDOM = ("scheduler", "io_priority", "cpu_affinity", "memory_policy", "personality")


def config_to_json(config: Config) -> dict[str, Any]:
    """Return *config* as JSON values."""
    document = asdict(config, value_serializer=_serialize)
    kind = "overlay" if isinstance(config.rootfs, Overlay) else "directory"
    document["rootfs"] = {kind: document["rootfs"]}
    return document


def config_from_json(document: Mapping[str, Any]) -> Config:
    """Return the configuration that `config_to_json` wrote.

    Raises:
        KeyError, TypeError: it is not of this form.
    """
    fields = dict(document)
    ((kind, rootfs),) = fields["rootfs"].items()
    fields["rootfs"] = _ROOTFS[kind](**rootfs)
    for name in ("base_mounts", "mounts"):
        fields[name] = [_mount(value) for value in fields[name]]
    for name in ("uid_mappings", "gid_mappings"):
        fields[name] = [IdMapping(**value) for value in fields[name]]
    fields["devices"] = [Device(**value) for value in fields["devices"]]
    fields["rlimits"] = [Rlimit(**value) for value in fields["rlimits"]]
    fields["capabilities"] = Capabilities(**fields["capabilities"])
    fields |= _seldom({key: fields[key] for key in _SELDOM if fields.get(key)})
    return Config(**fields)


def _seldom(fields: dict[str, Any]) -> dict[str, Any]:
    if not fields:
        return {}
    from libcontainer.config import memory, scheduling  # noqa: PLC0415

    kinds = {
        "scheduler": scheduling.Scheduler,
        "io_priority": scheduling.IoPriority,
        "cpu_affinity": scheduling.CpuAffinity,
        "memory_policy": memory.MemoryPolicy,
        "personality": memory.Personality,
    }
    return {name: kinds[name](**value) for name, value in fields.items()}


def _mount(value: Mapping[str, Any]) -> Mount:
    fields = dict(value)
    fields["attrs"] = MountAttr(fields["attrs"])
    fields["propagation"] = Propagation(fields["propagation"])
    return Mount(**fields)


def _serialize(owner: object, field: object, value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, frozenset):
        return sorted(getattr(item, "value", item) for item in value)
    if isinstance(value, MountAttr):
        return int(value)
    if isinstance(value, Propagation):
        return value.value
    return value
