# SPDX-License-Identifier: Apache-2.0
"""umount2(2): detach a mount."""

from __future__ import annotations

from enum import IntFlag

from libcontainer.bindings._lib import PathLike, check, lib, path_bytes


class UmountFlag(IntFlag):
    """``MNT_*`` and ``UMOUNT_NOFOLLOW``."""

    FORCE = 1
    DETACH = 2
    EXPIRE = 4
    NOFOLLOW = 8


def umount2(target: PathLike, flags: int = 0) -> None:
    """Detach the topmost mount at a path of the caller's mount namespace.

    Args:
        target: the mount point.
        flags: `UmountFlag`; ``DETACH`` also detaches what is beneath and works while
            the mount is in use.

    Raises:
        OSError: ``EINVAL``: no mount point, or locked by a less privileged mount
            namespace; ``EBUSY``: in use; ``EAGAIN``: ``EXPIRE`` marked it.

    Needs CAP_SYS_ADMIN in the user namespace that owns the mount namespace.
    """
    check(
        lib.lc_umount2(path_bytes(target), flags), "umount2", target, UmountFlag(flags)
    )
