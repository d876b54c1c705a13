# SPDX-License-Identifier: Apache-2.0
"""Kernel flags as the words people use for them."""

from __future__ import annotations

_NAMESPACES = (
    (0x00020000, "mount"),
    (0x20000000, "pid"),
    (0x40000000, "network"),
    (0x08000000, "ipc"),
    (0x04000000, "uts"),
    (0x10000000, "user"),
    (0x02000000, "cgroup"),
    (0x00000080, "time"),
)

_ATTRIBUTES = (
    (0x00000001, "ro"),
    (0x00000002, "nosuid"),
    (0x00000004, "nodev"),
    (0x00000008, "noexec"),
    (0x00000010, "noatime"),
    (0x00000020, "strictatime"),
    (0x00000080, "nodiratime"),
    (0x00200000, "nosymfollow"),
)


def flags_text(flags: int) -> str:
    """Return namespace flags as words: ``mount, pid``."""
    return ", ".join(name for bit, name in _NAMESPACES if flags & bit) or "none"


def attributes_text(attributes: int, *, recursive: bool = False) -> str:
    """Return mount attributes as words: ``ro, nosuid, recursive``."""
    words = [name for bit, name in _ATTRIBUTES if attributes & bit]
    if not attributes & 1:
        words.insert(0, "rw")
    if recursive:
        words.append("recursive")
    return ", ".join(words)
