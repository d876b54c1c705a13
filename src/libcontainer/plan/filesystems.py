# SPDX-License-Identifier: Apache-2.0
"""Filesystems: where each is made, and of what options."""

from __future__ import annotations

from typing import Final

from libcontainer.config import Config, Mount
from libcontainer.errors import UnsupportedError
from libcontainer.plan.facts import Facts
from libcontainer.plan.namespaces import gid_mappings
from libcontainer.plan.security import context

_TTY_GROUP = 5
_MS_REMOUNT = 32
_I_VERSION = 1 << 23
_SUPERBLOCK = {
    "sync": 1 << 4,
    "mand": 1 << 6,
    "dirsync": 1 << 7,
    "iversion": _I_VERSION,
    "lazytime": 1 << 25,
}

# What the kernel does anyway, at a call an option less: a devpts is its own since
# Linux 4.7, and anybody may make files in a tmpfs.
_GIVEN = {
    "devpts": frozenset({"newinstance"}),
    "tmpfs": frozenset({"mode=1777", "mode=01777"}),
}

_LAYER: Final = "lowerdir+="
_LAYERS_ONE_BY_ONE: Final = (6, 5)
# Of one option of fsconfig(2), without its end.
_LONGEST: Final = 255

# What they show depends on the namespaces of whoever makes them, never on a path.
_OF_NAMESPACES = frozenset({"tmpfs", "proc", "sysfs", "devpts", "mqueue", "cgroup"})


def is_host_made(mount: Mount) -> bool:
    """Tell whether a filesystem is made of a path that only the host has."""
    source = mount.source or ""
    return source.startswith("/") and mount.type not in _OF_NAMESPACES


def fs_options(config: Config, facts: Facts, mount: Mount) -> tuple[str, ...]:
    """Return the options of fsconfig(2) for a filesystem.

    Raises:
        UnsupportedError: an overlay whose layers this kernel cannot be told.
    """
    given = _GIVEN.get(mount.type, frozenset())
    words = [word for word in mount.data if word not in given and word != "iversion"]
    if mount.type == "overlay" and facts.kernel < _LAYERS_ONE_BY_ONE:
        words = _with_one_lowerdir(words)
    if mount.type == "devpts" and not _has_tty_group(config, facts):
        words = [word for word in words if word != f"gid={_TTY_GROUP}"]
    if not any(word.startswith("context=") for word in words):
        words += context(config, mount.type)
    if mount.source:
        words.append(f"source={mount.source}")
    return tuple(words)


def remount_flags(mount: Mount) -> int:
    """Return the MS_* flags to remount with, 0 if there is no need to.

    MS_I_VERSION is a flag that fsconfig(2) does not have.
    """
    flags = sum(_SUPERBLOCK.get(word, 0) for word in mount.data)
    return flags | _MS_REMOUNT if flags & _I_VERSION else 0


def _with_one_lowerdir(words: list[str]) -> list[str]:
    """Return the options of an overlay with all its layers in one."""
    layers = [word.removeprefix(_LAYER) for word in words if word.startswith(_LAYER)]
    if not layers:
        return words
    names = ":".join(layer.replace("\\", r"\\").replace(":", r"\:") for layer in layers)
    if len(names.encode(errors="surrogateescape")) > _LONGEST or "," in names:
        what = (
            f"an overlay of layers with commas or more than {_LONGEST} bytes of names"
        )
        raise UnsupportedError(what, "Linux 6.5")
    rest = [word for word in words if not word.startswith(_LAYER)]
    return [f"lowerdir={names}", *rest]


def _has_tty_group(config: Config, facts: Facts) -> bool:
    """Tell whether the user namespace has the group of terminals."""
    mappings = gid_mappings(config, facts)
    return not mappings or any(
        m.container_id <= _TTY_GROUP < m.container_id + m.size for m in mappings
    )
