# SPDX-License-Identifier: Apache-2.0
"""Looks at the host's own root for a caller that cannot take it as one layer."""

from __future__ import annotations

import os
import stat

from libcontainer.plan.facts import RootEntry

# The container has its own, or what is in them is of the running host only.
_LEFT_EMPTY = frozenset({"dev", "proc", "run", "sys"})

# Filesystems that overlayfs takes as a lower layer whatever is on them.
_LAYERS = frozenset(
    {"bcachefs", "btrfs", "erofs", "ext4", "f2fs", "overlay", "squashfs", "tmpfs"}
    | {"xfs", "zfs"}
)
_WORLD_WRITABLE = 0o002


def read_host_root() -> tuple[RootEntry, ...]:
    """Return what there is in ``/``, by name; files are left out."""
    mounted = _mounted()
    entries = []
    with os.scandir("/") as found:
        for entry in sorted(found, key=lambda item: item.name):
            if entry.is_symlink():
                entries.append(RootEntry(entry.name, "link", os.readlink(entry.path)))
            elif entry.is_dir(follow_symlinks=False):
                mode = stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode)
                entries.append(RootEntry(entry.name, _kind(entry.name, mode, mounted)))
    return tuple(entries)


def _kind(name: str, mode: int, mounted: dict[str, str]) -> str:
    if name in _LEFT_EMPTY:
        return "empty"
    if mode & _WORLD_WRITABLE:
        return "scratch"
    beneath = any(path.startswith(f"/{name}/") for path in mounted)
    fstype = mounted.get(f"/{name}", mounted.get("/", ""))
    return "bind" if beneath or fstype not in _LAYERS else "layer"


def _mounted() -> dict[str, str]:
    """Return the filesystem type at each mount point, the topmost where several are."""
    found = {}
    with open("/proc/thread-self/mountinfo") as file:
        for line in file:
            before, _, after = line.partition(" - ")
            found[before.split()[4]] = after.split()[0]
    return found
