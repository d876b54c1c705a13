# SPDX-License-Identifier: Apache-2.0
"""The keys of a 1.2.0 ``container.json``, in the order the old encoder wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from libcontainer.config.report import join

Schema = Mapping[str, "Schema | None"]
"""Keys of an object; what the objects below a key have, or None for a value."""

_DEVICE: Final[Schema] = {
    "type": None,
    "path": None,
    "major_number": None,
    "minor_number": None,
    "cgroup_permissions": None,
    "file_mode": None,
}

_NAMESPACES: Final[Schema] = {}
"""Any key, in the order of the alphabet: the old code had a map here."""

CONTAINER: Final[Schema] = {
    "mount_config": {
        "no_pivot_root": None,
        "readonly_fs": None,
        "mounts": {
            "type": None,
            "source": None,
            "destination": None,
            "writable": None,
            "relabel": None,
            "private": None,
        },
        "device_nodes": _DEVICE,
        "mount_label": None,
    },
    "hostname": None,
    "user": None,
    "working_dir": None,
    "environment": None,
    "tty": None,
    "namespaces": _NAMESPACES,
    "capabilities": None,
    "networks": {
        "type": None,
        "ns_path": None,
        "bridge": None,
        "veth_prefix": None,
        "address": None,
        "gateway": None,
        "mtu": None,
    },
    "routes": {
        "destination": None,
        "source": None,
        "gateway": None,
        "interface_name": None,
    },
    "cgroups": {
        "name": None,
        "parent": None,
        "allow_all_devices": None,
        "allowed_devices": _DEVICE,
        "memory": None,
        "memory_reservation": None,
        "memory_swap": None,
        "cpu_shares": None,
        "cpu_quota": None,
        "cpu_period": None,
        "cpuset_cpus": None,
        "freezer": None,
        "slice": None,
    },
    "apparmor_profile": None,
    "process_label": None,
    "restrict_sys": None,
}


def unknown_keys(document: Mapping[str, Any]) -> Iterator[str]:
    """Return the path of every key that a 1.2.0 reader ignored."""
    return _unknown("", document, CONTAINER)


def to_container_json(document: Mapping[str, Any]) -> str:
    """Return a parsed ``container.json`` as the old encoder wrote it.

    Keys come in their old order, those of no effect (unknown, or of a zero
    value) are left out, levels are indented by tabs.
    """
    text = json.dumps(_ordered(document, CONTAINER), indent="\t", ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        # Go escapes what a web page could misread.
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _unknown(path: str, value: object, schema: Schema | None) -> Iterator[str]:
    if schema is None or schema is _NAMESPACES:
        return
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _unknown(f"{path}[{number}]", item, schema)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in schema:
                yield from _unknown(join(path, key), item, schema[key])
            else:
                yield join(path, key)


def _ordered(value: object, schema: Schema | None) -> object:
    if isinstance(value, list) and schema is not None:
        return [_ordered(item, schema) for item in value]
    if not isinstance(value, Mapping) or schema is None:
        return value
    keys = sorted(value) if schema is _NAMESPACES else schema
    kept = ((key, _ordered(value.get(key), schema.get(key))) for key in keys)
    if schema is _NAMESPACES:
        return dict(kept)
    return {key: item for key, item in kept if not _is_zero(item, schema[key])}


def _is_zero(item: object, schema: Schema | None) -> bool:
    # An object was a pointer there, and kept even if nothing is in it.
    if isinstance(item, Mapping) and schema is not _NAMESPACES:
        return False
    return not item
