# SPDX-License-Identifier: Apache-2.0
"""move_mount(2): attach a detached mount, or move one."""

from __future__ import annotations

from enum import IntFlag

from libcontainer.bindings._lib import PathLike, check, lib, path_bytes


class MoveMountFlag(IntFlag):
    """``MOVE_MOUNT_*``."""

    F_SYMLINKS = 0x1
    F_AUTOMOUNTS = 0x2
    F_EMPTY_PATH = 0x4
    T_SYMLINKS = 0x10
    T_AUTOMOUNTS = 0x20
    T_EMPTY_PATH = 0x40
    SET_GROUP = 0x100
    BENEATH = 0x200


def move_mount(
    from_fd: int,
    to_fd: int,
    *,
    from_path: PathLike = "",
    to_path: PathLike = "",
    flags: int = 0,
) -> None:
    """Attach the mount at *from_fd* on *to_fd*, with no path in between.

    Args:
        from_fd: a mount from `open_tree` or `fsmount`, or a directory if *from_path*
            is given. `AT_FDCWD` is the current directory.
        to_fd: what it is attached on, or a directory if *to_path* is given.
        from_path: relative to *from_fd*; empty is *from_fd* itself.
        to_path: relative to *to_fd*; empty is *to_fd* itself.
        flags: `MoveMountFlag`; the two ``EMPTY_PATH`` are added for empty paths.

    Raises:
        OSError: ``EINVAL``: not a mount, or one of another namespace; ``ENOTDIR``: a
            directory on something else; ``ELOOP``: into itself; ``EPERM``.

    Linux >= 5.2, ``SET_GROUP`` 5.15, ``BENEATH`` 6.5. Needs CAP_SYS_ADMIN in the user
    namespace that owns the mount namespace.
    """
    source, target = path_bytes(from_path), path_bytes(to_path)
    if not source:
        flags |= MoveMountFlag.F_EMPTY_PATH
    if not target:
        flags |= MoveMountFlag.T_EMPTY_PATH
    result = lib.lc_move_mount(from_fd, source, to_fd, target, flags)
    call = (from_fd, from_path, to_fd, to_path, MoveMountFlag(flags))
    check(result, "move_mount", *call)
