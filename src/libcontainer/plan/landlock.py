# SPDX-License-Identifier: Apache-2.0
"""Landlock: a ruleset is made, filled, and the process restricts itself to it.

Loaded only for a launch that asks for it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

from libcontainer.config.landlock import (
    ACCESS_FS,
    ACCESS_NET,
    LINUX_OF_ABI,
    SCOPES,
    Landlock,
)
from libcontainer.errors import UnsupportedError
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder

_RULE_NET_PORT = 2


def plan_landlock(builder: Builder, landlock: Landlock, abi: int) -> None:
    """Add a ruleset, its rules, and the restriction to it.

    Args:
        builder: the plan in the making.
        landlock: what the process gives up.
        abi: Landlock's ABI on this host, 0 if it has none.

    Raises:
        UnsupportedError: the host lacks a right, and that is not good enough.
    """
    if not landlock.best_effort:
        _require(landlock, abi)
    handled = (
        _mask(landlock.handled_access_fs, ACCESS_FS, abi),
        _mask(landlock.handled_access_net, ACCESS_NET, abi),
        _mask(landlock.scoped, SCOPES, abi),
    )
    if not any(handled):
        return
    slot = builder.slot("landlock")
    attributes = struct.pack("=3Q", *handled)
    builder.init(
        ops.Call(
            "landlock_create_ruleset",
            (attributes, len(attributes), 0),
            f"make a Landlock ruleset ({_text(landlock, abi)})",
            result=slot,
        )
    )
    _add_rules(builder, landlock, abi, slot)
    arguments = (ops.SlotRef(slot), 0)
    what = "restrict the process to the Landlock ruleset"
    builder.init(ops.Call("landlock_restrict_self", arguments, what))


def _add_rules(builder: Builder, landlock: Landlock, abi: int, slot: int) -> None:
    for rule in landlock.paths:
        access = _mask(rule.access, ACCESS_FS, abi)
        if access:
            words = _known(rule.access, ACCESS_FS, abi)
            builder.init(ops.LandlockPath(slot, rule.path, access, words))
    for port in landlock.ports:
        access = _mask(port.access, ACCESS_NET, abi)
        if not access:
            continue
        names = ", ".join(_known(port.access, ACCESS_NET, abi))
        data = struct.pack("=2Q", access, port.port)
        arguments = (ops.SlotRef(slot), _RULE_NET_PORT, data, 0)
        what = f"allow {names} on port {port.port}"
        builder.init(ops.Call("landlock_add_rule", arguments, what))


def _require(landlock: Landlock, abi: int) -> None:
    kinds = (
        (landlock.handled_access_fs, ACCESS_FS),
        (landlock.handled_access_net, ACCESS_NET),
        (landlock.scoped, SCOPES),
    )
    for words, table in kinds:
        for word in sorted(words):
            first = table[word][1]
            if first > abi:
                here = f"has ABI {abi}" if abi else "has no Landlock"
                need = (
                    f"Landlock ABI {first} (Linux {LINUX_OF_ABI[first]}), this kernel"
                    f" {here}; best_effort=True goes without"
                )
                raise UnsupportedError(f"Landlock right {word!r}", need)


def _known(
    words: Iterable[str], table: Mapping[str, tuple[int, int]], abi: int
) -> tuple[str, ...]:
    return tuple(w for w, (_, first) in table.items() if w in words and first <= abi)


def _mask(words: Iterable[str], table: Mapping[str, tuple[int, int]], abi: int) -> int:
    return sum(1 << table[word][0] for word in _known(words, table, abi))


def _text(landlock: Landlock, abi: int) -> str:
    words = (
        *_known(landlock.handled_access_fs, ACCESS_FS, abi),
        *_known(landlock.handled_access_net, ACCESS_NET, abi),
        *_known(landlock.scoped, SCOPES, abi),
    )
    return ", ".join(words)
