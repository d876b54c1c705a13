# SPDX-License-Identifier: Apache-2.0
"""mount(2): attach, remount, move, bind, change propagation."""

from __future__ import annotations

from enum import IntFlag

from libcontainer.bindings._lib import (
    PathLike,
    check,
    lib,
    optional_bytes,
    path_bytes,
)


class MountFlag(IntFlag):
    """``MS_*``."""

    RDONLY = 1
    NOSUID = 2
    NODEV = 4
    NOEXEC = 8
    SYNCHRONOUS = 16
    REMOUNT = 32
    MANDLOCK = 64
    DIRSYNC = 128
    NOSYMFOLLOW = 256
    NOATIME = 1024
    NODIRATIME = 2048
    BIND = 4096
    MOVE = 8192
    REC = 16384
    SILENT = 32768
    UNBINDABLE = 1 << 17
    PRIVATE = 1 << 18
    SLAVE = 1 << 19
    SHARED = 1 << 20
    RELATIME = 1 << 21
    STRICTATIME = 1 << 24
    LAZYTIME = 1 << 25


def mount(
    source: PathLike | None,
    target: PathLike,
    fstype: str | None = None,
    flags: int = 0,
    data: str | bytes | None = None,
) -> None:
    """Attach, remount, move or bind, or change propagation.

    Both paths are resolved by the kernel, symlinks included, in the caller's mount
    namespace: never pass one that somebody else can change. For those there are
    `open_tree` and `move_mount`.

    Args:
        source: a device, a directory or a name, as *fstype* wants it; None for none.
        target: where.
        fstype: the filesystem's name; None where *flags* need none.
        flags: `MountFlag`; which one decides what the call does.
        data: the filesystem's own options, separated by commas; None for none.

    Raises:
        OSError: ``EPERM``, ``EINVAL``, ``EBUSY``, ``ENODEV``, … ; *data* is not part of
            the message, since it may hold secrets.

    Needs CAP_SYS_ADMIN in the user namespace that owns the mount namespace.
    """
    result = lib.lc_mount(
        optional_bytes(source),
        path_bytes(target),
        optional_bytes(fstype),
        flags,
        optional_bytes(data),
    )
    check(result, "mount", source, target, fstype, MountFlag(flags))
