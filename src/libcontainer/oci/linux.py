# SPDX-License-Identifier: Apache-2.0
"""The ``linux`` object of a bundle (``config-linux.md``)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from attrs import evolve

from libcontainer.config import (
    DEFAULT_DEVICES,
    Device,
    DeviceRule,
    NamespaceType,
    TimeOffset,
)
from libcontainer.config.container_reader import Reader
from libcontainer.config.memory import (
    MEMORY_FLAGS,
    MEMORY_MODES,
    MemoryPolicy,
    Personality,
)
from libcontainer.config.network import NetDevice
from libcontainer.config.rdt import IntelRdt
from libcontainer.config.seccomp import Seccomp
from libcontainer.errors import ConfigError
from libcontainer.oci.mounts import known, read_devices, read_id_mappings
from libcontainer.oci.resources import read_resources

_KEYS: Final = (
    *("devices", "netDevices", "uidMappings", "gidMappings", "namespaces"),
    *("resources", "cgroupsPath", "rootfsPropagation", "seccomp", "sysctl"),
    *("maskedPaths", "readonlyPaths", "mountLabel", "intelRdt", "personality"),
    *("timeOffsets", "memoryPolicy"),
)
_SECCOMP_FLAGS: Final = ("SECCOMP_FILTER_FLAG_SPEC_ALLOW",)
_KINDS: Final = tuple(kind.value for kind in NamespaceType)


def read_linux(linux: Reader) -> dict[str, Any]:
    """Return the fields of a configuration that a ``linux`` object means."""
    known(linux, *_KEYS)
    devices = {device.path: device for device in DEFAULT_DEVICES}
    devices.update(_devices(linux))
    found: dict[str, Any] = {
        **_namespaces(linux),
        "uid_mappings": read_id_mappings(linux, "uidMappings"),
        "gid_mappings": read_id_mappings(linux, "gidMappings"),
        "devices": tuple(devices.values()),
        "networks": _net_devices(linux.child("netDevices")),
        "resources": read_resources(linux.child("resources")),
        "cgroups_path": linux.text("cgroupsPath") or None,
        "sysctl": _texts(linux.child("sysctl")),
        "masked_paths": _paths(linux, "maskedPaths"),
        "readonly_paths": _paths(linux, "readonlyPaths"),
        "mount_label": linux.text("mountLabel") or None,
        "time_offsets": _offsets(linux.child("timeOffsets")),
        "seccomp": _seccomp(linux),
        "personality": _personality(linux),
        "memory_policy": _memory_policy(linux),
        "intel_rdt": _intel_rdt(linux),
    }
    if linux.child("resources").get("devices") and "user" not in found["namespaces"]:
        rules = (*_denied(found["devices"]), *found["resources"].devices)
        found["resources"] = evolve(found["resources"], devices=rules)
    seccomp = found["seccomp"]
    if seccomp is not None and linux.child("seccomp").get("flags") is None:
        # As others have it: mitigations that slow a program down are not for filters.
        found["seccomp"] = evolve(seccomp, flags=_SECCOMP_FLAGS)
    propagation = linux.text("rootfsPropagation")
    if propagation:
        found["rootfs_propagation"] = propagation
    return found


def _devices(linux: Reader) -> dict[str, Device]:
    """Return the nodes of a bundle by path; of two the first counts, as for others."""
    found: dict[str, Device] = {}
    for device in read_devices(linux):
        if device.path in found:
            linux.warn("devices", f"{device.path!r} is there twice: the first counts")
        found.setdefault(device.path, device)
    return found


def _denied(devices: Iterable[Device]) -> list[DeviceRule]:
    """Return the rules that deny what devices of a bundle are used for.

    Where a bundle has rules they alone decide: a node is no permission.
    """
    standard = {(device.major, device.minor) for device in DEFAULT_DEVICES}
    return [
        DeviceRule(
            allow=False,
            type="b" if device.type == "b" else "c",
            major=device.major,
            minor=device.minor,
            access="rw",
        )
        for device in devices
        if device.type != "p"
        and (device.type == "b" or (device.major, device.minor) not in standard)
    ]


def _namespaces(linux: Reader) -> dict[str, Any]:
    kinds: list[str] = []
    paths: dict[str, str] = {}
    for item in linux.children("namespaces"):
        known(item, "type", "path")
        kind = item.text("type")
        if kind not in _KINDS:
            item.refuse("type", f"must be one of {', '.join(_KINDS)}, not {kind!r}")
            continue
        if kind in kinds:
            item.refuse("type", f"is there twice: {kind!r}")
        kinds.append(kind)
        if item.text("path"):
            paths[kind] = item.text("path")
    return {"namespaces": kinds, "namespace_paths": paths}


def _net_devices(devices: Reader) -> tuple[NetDevice, ...]:
    found = []
    for name in devices.document:
        device = devices.child(name)
        known(device, "name")
        found.append(NetDevice(device=str(name), name=device.text("name")))
    return tuple(found)


def _paths(linux: Reader, key: str) -> list[str]:
    found = [text for _, text in linux.texts(key)]
    if "" in found:
        linux.warn(key, "has an empty path, passed over")
    return [text for text in found if text]


def _texts(reader: Reader) -> dict[str, str]:
    return {str(key): reader.text(key) for key in reader.document}


def _offsets(offsets: Reader) -> dict[str, TimeOffset]:
    found = {}
    for clock in offsets.document:
        offset = offsets.child(clock)
        known(offset, "secs", "nanosecs")
        seconds = offset.integer("secs", low=-(2**63))
        nanoseconds = offset.integer("nanosecs", high=999_999_999)
        found[str(clock)] = TimeOffset(seconds, nanoseconds)
    return found


def _seccomp(linux: Reader) -> Seccomp | None:
    value = linux.get("seccomp")
    if value is None:
        return None
    try:
        profile = Seccomp.from_json(linux.child("seccomp").document)
        return evolve(
            profile,
            architectures=_once(profile.architectures),
            flags=_once(profile.flags),
        )
    except ConfigError as error:
        for problem in error.problems:
            linux.refuse(problem.path, problem.message)
        return None


def _once(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return words without those that were there before; wrong ones are left alone."""
    if not isinstance(words, tuple):
        return words
    kept: list[str] = []
    for word in words:
        if word not in kept:
            kept.append(word)
    return tuple(kept)


def _personality(linux: Reader) -> Personality | None:
    if linux.get("personality") is None:
        return None
    personality = linux.child("personality")
    known(personality, "domain", "flags")
    flags = [text for _, text in personality.texts("flags")]
    return Personality(personality.text("domain"), flags)


def _memory_policy(linux: Reader) -> MemoryPolicy | None:
    if not linux.get("memoryPolicy"):
        return None
    policy = linux.child("memoryPolicy")
    known(policy, "mode", "nodes", "flags")
    mode, nodes = policy.text("mode"), policy.text("nodes") or None
    flags = [text for _, text in policy.texts("flags")]
    # Shorter names are not for a bundle.
    if mode not in MEMORY_MODES:
        policy.refuse("mode", f"must be one of {', '.join(sorted(MEMORY_MODES))}")
        return None
    if wrong := sorted(set(flags) - set(MEMORY_FLAGS)):
        policy.refuse("flags", f"there is no {', '.join(wrong)}")
        return None
    return MemoryPolicy(mode, nodes, flags=flags)


def _intel_rdt(linux: Reader) -> IntelRdt | None:
    if linux.get("intelRdt") is None:
        return None
    rdt = linux.child("intelRdt")
    known(rdt, "closID", "schemata", "l3CacheSchema", "memBwSchema", "enableMonitoring")
    wanted = IntelRdt(
        clos_id=rdt.text("closID") or None,
        schemata=[text for _, text in rdt.texts("schemata")],
        l3_cache_schema=rdt.text("l3CacheSchema") or None,
        mem_bw_schema=rdt.text("memBwSchema") or None,
        enable_monitoring=rdt.boolean("enableMonitoring"),
    )
    # Who asks for nothing needs no processor that has it.
    return None if wanted == IntelRdt() else wanted
