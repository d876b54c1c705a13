# SPDX-License-Identifier: Apache-2.0
"""CRIU's remote calls as bytes: the protocol buffers of ``rpc.proto``; pure.

Only what is used here has a place in the tables. A field that is not known is
passed over when it is read, as the format means it.

Source: CRIU, ``images/rpc.proto``; the encoding of protocol buffers.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from typing import Any, Final

Message = Mapping[str, Any]

_VARINT: Final = 0
_BYTES: Final = 2
_FIXED: Final = {1: 8, 5: 4}
_MAX_VARINT_BYTES: Final = 10
_U64: Final = 2**64
_I64: Final = 2**63


class Request(enum.IntEnum):
    """What CRIU is asked for, and what it answers with."""

    EMPTY = 0
    DUMP = 1
    RESTORE = 2
    CHECK = 3
    PRE_DUMP = 4
    NOTIFY = 6
    FEATURE_CHECK = 9
    VERSION = 10


CGROUP_MODE: Final = {"ignore": 0, "soft": 3, "full": 4, "strict": 5}
NETWORK_LOCK: Final = {"iptables": 1, "nftables": 2, "skip": 3}
CLONE_NEWNET: Final = 0x40000000

# Name to (number, type, repeated); a type is "int", "bool", "text" or a message.
_PAIR: Final = {"key": (1, "text", False), "val": (2, "text", False)}
MESSAGES: Final[Mapping[str, Mapping[str, tuple[int, str, bool]]]] = {
    "request": {
        "type": (1, "int", False),
        "opts": (2, "options", False),
        "notify_success": (3, "bool", False),
        "features": (5, "features", False),
    },
    "response": {
        "type": (1, "int", False),
        "success": (2, "bool", False),
        "restore": (4, "restored", False),
        "notify": (5, "notify", False),
        "cr_errno": (7, "int", False),
        "features": (8, "features", False),
        "cr_errmsg": (9, "text", False),
        "version": (10, "version", False),
    },
    "restored": {"pid": (1, "int", False)},
    "notify": {"script": (1, "text", False), "pid": (2, "int", False)},
    "features": {"mem_track": (1, "bool", False), "lazy_pages": (2, "bool", False)},
    "version": {
        "major_number": (1, "int", False),
        "minor_number": (2, "int", False),
        "sublevel": (4, "int", False),
    },
    "page_server": {"address": (1, "text", False), "port": (2, "int", False)},
    "ext_mount": _PAIR,
    "inherit_fd": {"key": (1, "text", False), "fd": (2, "int", False)},
    "cgroup_root": {"ctrl": (1, "text", False), "path": (2, "text", False)},
    "options": {
        "images_dir_fd": (1, "int", False),
        "pid": (2, "int", False),
        "leave_running": (3, "bool", False),
        "ext_unix_sk": (4, "bool", False),
        "tcp_established": (5, "bool", False),
        "shell_job": (7, "bool", False),
        "file_locks": (8, "bool", False),
        "log_level": (9, "int", False),
        "log_file": (10, "text", False),
        "ps": (11, "page_server", False),
        "notify_scripts": (12, "bool", False),
        "root": (13, "text", False),
        "parent_img": (14, "text", False),
        "track_mem": (15, "bool", False),
        "auto_dedup": (16, "bool", False),
        "work_dir_fd": (17, "int", False),
        "link_remap": (18, "bool", False),
        "ext_mnt": (23, "ext_mount", True),
        "manage_cgroups": (24, "bool", False),
        "cg_root": (25, "cgroup_root", True),
        "rst_sibling": (26, "bool", False),
        "inherit_fd": (27, "inherit_fd", True),
        "manage_cgroups_mode": (34, "int", False),
        "ghost_limit": (35, "int", False),
        "external": (37, "text", True),
        "empty_ns": (38, "int", False),
        "freeze_cgroup": (44, "text", False),
        "timeout": (45, "int", False),
        "tcp_skip_in_flight": (46, "bool", False),
        "lazy_pages": (48, "bool", False),
        "status_fd": (49, "int", False),
        "orphan_pts_master": (50, "bool", False),
        "config_file": (51, "text", False),
        "tcp_close": (52, "bool", False),
        "lsm_profile": (53, "text", False),
        "lsm_mount_context": (63, "text", False),
        "network_lock": (64, "int", False),
    },
}


def encode(kind: str, message: Message) -> bytes:
    """Return a message as bytes; a value of None is left out.

    Args:
        kind: a key of `MESSAGES`.
        message: its fields; one that repeats is a sequence.
    """
    out = bytearray()
    for name, value in message.items():
        number, of, repeats = MESSAGES[kind][name]
        for one in value if repeats else (value,):
            if one is not None:
                out += _field(number, of, one)
    return bytes(out)


def _field(number: int, of: str, value: Any) -> bytes:  # noqa: ANN401
    if of in {"int", "bool"}:
        return _varint(number << 3 | _VARINT) + _varint(int(value) % _U64)
    data = value.encode() if of == "text" else encode(of, value)
    return _varint(number << 3 | _BYTES) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode(kind: str, data: bytes) -> dict[str, Any]:
    """Return the fields of a message.

    Raises:
        ValueError: it is cut short, or a field has not its type.
    """
    names = {number: (name, of) for name, (number, of, _) in MESSAGES[kind].items()}
    found: dict[str, Any] = {}
    for number, wire, value in _fields(data):
        if number in names:
            name, of = names[number]
            found[name] = _value(of, wire, value)
    return found


def _value(of: str, wire: int, value: int | bytes) -> Any:  # noqa: ANN401
    if (wire == _VARINT) != (of in {"int", "bool"}) or wire not in {_VARINT, _BYTES}:
        raise ValueError(f"a field of type {of} in wire type {wire}")
    if isinstance(value, int):
        signed = value - _U64 if value >= _I64 else value
        return bool(value) if of == "bool" else signed
    return value.decode() if of == "text" else decode(of, value)


def _fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _read_varint(data, at)
            yield number, wire, value
            continue
        if wire == _BYTES:
            size, at = _read_varint(data, at)
        elif wire in _FIXED:
            size = _FIXED[wire]
        else:
            raise ValueError(f"wire type {wire}")
        if at + size > len(data):
            raise ValueError("cut short")
        yield number, wire, data[at : at + size]
        at += size


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(_MAX_VARINT_BYTES):
        if at >= len(data):
            raise ValueError("cut short")
        value |= (data[at] & 0x7F) << (7 * place)
        at += 1
        if data[at - 1] < 0x80:
            return value % _U64, at
    raise ValueError("an integer that does not end")
