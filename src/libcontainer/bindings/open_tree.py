# SPDX-License-Identifier: Apache-2.0
"""open_tree(2): an fd for a mount, or for a detached copy of one."""

from __future__ import annotations

import os
from enum import IntFlag

from libcontainer.bindings._lib import AT_FDCWD, PathLike, check, lib, path_bytes


class OpenTreeFlag(IntFlag):
    """``OPEN_TREE_*`` and the ``AT_*`` flags that open_tree(2) takes."""

    CLONE = 1
    SYMLINK_NOFOLLOW = 0x100
    NO_AUTOMOUNT = 0x800
    EMPTY_PATH = 0x1000
    RECURSIVE = 0x8000
    CLOEXEC = os.O_CLOEXEC


def open_tree(path: PathLike, flags: int, *, dirfd: int = AT_FDCWD) -> int:
    """Open a path as a mount.

    Args:
        path: relative to *dirfd*; an empty path is *dirfd* itself (``EMPTY_PATH`` is
            added then).
        flags: `OpenTreeFlag`. ``CLONE`` copies the mount, detached, with ``RECURSIVE``
            all that is beneath; without it the fd is like one of ``O_PATH``.
        dirfd: a directory, or any fd with an empty path.

    Returns:
        An fd, close-on-exec. Closing it ends a copy that was not attached.

    Raises:
        OSError: ``EPERM``: no CAP_SYS_ADMIN for ``CLONE``; ``EINVAL``: unbindable, or
            a mount of another namespace; ``ENOENT``, ``ELOOP``, …: the path.

    Linux >= 5.2. ``CLONE`` needs CAP_SYS_ADMIN in the user namespace that owns the
    mount namespace.
    """
    encoded = path_bytes(path)
    if not encoded:
        flags |= OpenTreeFlag.EMPTY_PATH
    fd = lib.lc_open_tree(dirfd, encoded, flags)
    if fd < 0:
        check(fd, "open_tree", dirfd, path, OpenTreeFlag(flags))
    return fd
