# SPDX-License-Identifier: Apache-2.0
"""The options of a mount of type ``overlay``: its layers, and the others."""

from __future__ import annotations

import re
from typing import Final

from libcontainer.config.mounts import Mount
from libcontainer.config.rootfs import Overlay

_COLON: Final = re.compile(r"(?<!\\):")
_KEYS: Final = frozenset({"upperdir", "workdir"})


def overlay_of(mount: Mount) -> tuple[Overlay, tuple[str, ...]]:
    """Return the layers of a mount of type ``overlay``, and its other options."""
    lower: list[str] = []
    found: dict[str, str] = {}
    options = []
    for option in mount.data:
        key, _, value = option.partition("=")
        if key == "lowerdir":
            lower += [_unescaped(part) for part in _COLON.split(value)]
        elif key == "lowerdir+":
            lower.append(value)
        elif key in _KEYS:
            found[key] = value
        elif option != "iversion":
            options.append(option)
    upper, work = found.get("upperdir"), found.get("workdir")
    return Overlay(lower, upper, work), tuple(options)


def _unescaped(path: str) -> str:
    return re.sub(r"\\(.)", r"\1", path)
