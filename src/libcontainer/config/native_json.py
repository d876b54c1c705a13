# SPDX-License-Identifier: Apache-2.0
"""Reads the Config JSON of libcontainer 2.x (2015), as its own state file had it.

A key that this does not know is a problem, not passed over: its container would
be less than was asked for. Source: ``configs`` of the library's last release.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from libcontainer.config.container_reader import Reader
from libcontainer.config.devices import Device
from libcontainer.config.identity import RLIMIT_NUMBERS, Capabilities, Rlimit
from libcontainer.config.model import Config
from libcontainer.config.mounts import Mount
from libcontainer.config.namespaces import IdMapping, NamespaceType
from libcontainer.config.report import Report, show
from libcontainer.config.resources import DeviceRule, Resources
from libcontainer.config.rootfs import Directory
from libcontainer.config.strict_json import parse_strict_json
from libcontainer.errors import ConfigError

_MAX_ID: Final = 2**32 - 1
_MAX_LIMIT: Final = 2**64 - 1
_NAMESPACES: Final = {
    "NEWNS": NamespaceType.MOUNT,
    "NEWUTS": NamespaceType.UTS,
    "NEWIPC": NamespaceType.IPC,
    "NEWPID": NamespaceType.PID,
    "NEWNET": NamespaceType.NETWORK,
    "NEWUSER": NamespaceType.USER,
}
# Bits of mount(2).
_FLAGS: Final = {
    1 << 0: "ro",
    1 << 1: "nosuid",
    1 << 2: "nodev",
    1 << 3: "noexec",
    1 << 4: "sync",
    1 << 10: "noatime",
    1 << 11: "nodiratime",
    1 << 12: "bind",
    1 << 14: "rec",
    1 << 18: "private",
    1 << 19: "slave",
    1 << 20: "shared",
    1 << 21: "relatime",
    1 << 24: "strictatime",
}
_KEYS: Final = frozenset(
    {
        *("no_pivot_root", "parent_death_signal", "pivot_dir", "rootfs", "readonlyfs"),
        *("privatefs", "mounts", "devices", "mount_label", "hostname", "namespaces"),
        *("capabilities", "networks", "routes", "cgroups", "apparmor_profile"),
        *("process_label", "rlimits", "additional_groups", "uid_mappings"),
        *("gid_mappings", "mask_paths", "readonly_paths", "system_properties"),
    }
)
# Key there, field of Resources; 0 was "none".
_LIMITS: Final = {
    "memory": "memory",
    "memory_reservation": "memory_reservation",
    "memory_swap": "memory_swap",
    "cpu_shares": "cpu_shares",
    "cpu_quota": "cpu_quota",
    "cpu_period": "cpu_period",
    "blkio_weight": "blkio_weight",
}
_LETTERS: Final = {ord(letter): letter for letter in "cbpu"}


def config_from_native_json(document: Mapping[str, Any] | bytes) -> Config:
    """Return what the Config JSON of a 2.x library means.

    Args:
        document: the parsed object, or its text, strict JSON in UTF-8.

    Raises:
        ConfigError: with every problem, each with its path: a key that is unknown
            or that this release has nothing for, a value of a wrong type.
    """
    if isinstance(document, bytes):
        document = parse_strict_json(document, "config")
    report = Report()
    top = Reader("", document, report, Report())
    _only(top, *_KEYS)
    fields = {**_plain(top), **_lists(top), **_cgroups(top.child("cgroups"))}
    for network in top.children("networks"):
        if network.text("type") != "loopback":
            network.refuse("type", "only loopback is read of this format")
    if top.items("routes"):
        top.refuse("routes", "are not read of this format")
    if report.problems:
        raise ConfigError(report.problems)
    return Config(**fields)


def _only(reader: Reader, *keys: str) -> None:
    for key in reader.document:
        if key not in keys:
            reader.refuse(str(key), "unknown key")


def _plain(top: Reader) -> dict[str, Any]:
    top.text("pivot_dir")  # this release needs none
    top.boolean("privatefs")  # every root is
    signal = top.integer("parent_death_signal", high=64)
    if not top.text("rootfs").startswith("/"):
        top.refuse("rootfs", "must be an absolute path")
    return {
        "rootfs": Directory(top.text("rootfs") or "/nonexistent"),
        "readonly_rootfs": top.boolean("readonlyfs"),
        "no_pivot_root": top.boolean("no_pivot_root"),
        "parent_death_signal": signal or None,
        "hostname": top.text("hostname") or None,
        "mount_label": top.text("mount_label") or None,
        "apparmor_profile": top.text("apparmor_profile") or None,
        "process_label": top.text("process_label") or None,
        "no_new_privs": False,  # it was not known then
    }


def _lists(top: Reader) -> dict[str, Any]:
    properties = top.child("system_properties")
    groups = top.items("additional_groups")
    return {
        "base_mounts": (),
        "mounts": [_mount(entry) for entry in top.children("mounts")],
        "devices": [_device(entry) for entry in top.children("devices")],
        **_namespaces(top),
        "capabilities": Capabilities.of(*(t for _, t in top.texts("capabilities"))),
        "rlimits": [_rlimit(entry) for entry in top.children("rlimits")],
        "additional_groups": [
            top.report.integer(at, gid, 0, _MAX_ID) or 0 for at, gid in groups
        ],
        "uid_mappings": [_mapping(entry) for entry in top.children("uid_mappings")],
        "gid_mappings": [_mapping(entry) for entry in top.children("gid_mappings")],
        "masked_paths": [text for _, text in top.texts("mask_paths")],
        "readonly_paths": [text for _, text in top.texts("readonly_paths")],
        "sysctl": {str(key): properties.text(key) for key in properties.document},
    }


def _namespaces(top: Reader) -> dict[str, Any]:
    kinds, paths = [], {}
    for entry in top.children("namespaces"):
        _only(entry, "type", "path")
        kind = _NAMESPACES.get(entry.text("type"))
        if kind is None:
            entry.refuse("type", f"is no namespace: {show(entry.get('type'))}")
            continue
        kinds.append(kind)
        if entry.text("path"):
            paths[kind] = entry.text("path")
    return {"namespaces": kinds, "namespace_paths": paths}


def _mount(entry: Reader) -> Mount:
    commands = ("premount_cmds", "postmount_cmds")
    _only(
        entry, "source", "destination", "device", "flags", "data", "relabel", *commands
    )
    for key in (*commands, "relabel"):
        if entry.get(key):
            entry.refuse(key, "is not read of this format")
    flags = entry.integer("flags", high=2**31 - 1)
    words = [word for bit, word in _FLAGS.items() if flags & bit]
    if flags & ~sum(_FLAGS):
        entry.refuse("flags", f"has bits that are not known: {flags & ~sum(_FLAGS):#x}")
    if "rec" in words:
        words = ["rbind" if word == "bind" else word for word in words if word != "rec"]
    words += [word for word in entry.text("data").split(",") if word]
    kind = "bind" if {"bind", "rbind"} & set(words) else entry.text("device")
    destination = f"/{entry.text('destination').lstrip('/')}"
    return Mount.from_options(kind, entry.text("source") or None, destination, words)


def _letter(entry: Reader) -> str:
    # The letter's number, as Go writes a rune.
    value = entry.get("type")
    letter = _LETTERS.get(value) if type(value) is int else value
    if letter not in _LETTERS.values():
        entry.refuse("type", f"must be the number of c, b, p or u, not {show(value)}")
        return "c"
    return str(letter)


def _device(entry: Reader) -> Device:
    keys = ("type", "path", "major", "minor", "permissions", "file_mode", "uid", "gid")
    _only(entry, *keys)
    return Device(
        path=entry.text("path"),
        type=_letter(entry),
        major=entry.integer("major", high=4095),
        minor=entry.integer("minor", high=1048575),
        mode=entry.integer("file_mode", high=_MAX_ID) & 0o777,
        uid=entry.integer("uid", high=_MAX_ID),
        gid=entry.integer("gid", high=_MAX_ID),
    )


def _rlimit(entry: Reader) -> Rlimit:
    _only(entry, "type", "hard", "soft")
    names = {number: name for name, number in RLIMIT_NUMBERS.items()}
    number = entry.integer("type", high=64)
    if number not in names:
        entry.refuse("type", f"is no limit of this kernel: {number}")
    soft = entry.integer("soft", high=_MAX_LIMIT)
    hard = entry.integer("hard", high=_MAX_LIMIT)
    return Rlimit(names.get(number, "RLIMIT_CORE"), soft, hard)


def _mapping(entry: Reader) -> IdMapping:
    _only(entry, "container_id", "host_id", "size")
    return IdMapping(
        entry.integer("container_id", high=_MAX_ID),
        entry.integer("host_id", high=_MAX_ID),
        entry.integer("size", high=_MAX_ID),
    )


def _cgroups(cgroups: Reader) -> dict[str, Any]:
    texts = ("name", "parent", "slice", "freezer", "cpuset_cpus", "cpuset_mems")
    _only_or_empty(cgroups, *texts, "allow_all_devices", "allowed_devices", *_LIMITS)
    limits: dict[str, Any] = {
        field: cgroups.integer(key, low=-1) or None for key, field in _LIMITS.items()
    }
    for key in ("cpuset_cpus", "cpuset_mems"):
        limits[key] = cgroups.text(key) or None
    rules = [_rule(entry) for entry in cgroups.children("allowed_devices")]
    if cgroups.boolean("allow_all_devices"):
        rules = [DeviceRule(allow=True)]
    parts = [cgroups.text("parent").strip("/"), cgroups.text("name")]
    path = "/".join(part for part in parts if part)
    return {
        "resources": Resources(**limits, devices=rules),
        "cgroups_path": path or None,
    }


def _only_or_empty(reader: Reader, *keys: str) -> None:
    for key, value in reader.document.items():
        if key not in keys and value not in (None, 0, "", [], {}, False):
            reader.refuse(str(key), "is not read of this format")


def _rule(entry: Reader) -> DeviceRule:
    numbers = [entry.integer(key, low=-1, high=2**20) for key in ("major", "minor")]
    major, minor = (None if number == -1 else number for number in numbers)
    access = entry.text("permissions") or "rwm"
    return DeviceRule(
        allow=True, type=_letter(entry), major=major, minor=minor, access=access
    )
