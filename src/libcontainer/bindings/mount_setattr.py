# SPDX-License-Identifier: Apache-2.0
"""mount_setattr(2): change the attributes of mounts."""

from __future__ import annotations

from enum import IntFlag

from libcontainer.bindings._lib import PathLike, check, lib, path_bytes
from libcontainer.bindings.mount import MountFlag


class MountAttr(IntFlag):
    """``MOUNT_ATTR_*``. The access time is a field: clear ``ATIME`` to change it."""

    RDONLY = 0x1
    NOSUID = 0x2
    NODEV = 0x4
    NOEXEC = 0x8
    NOATIME = 0x10
    STRICTATIME = 0x20
    ATIME = 0x70
    NODIRATIME = 0x80
    IDMAP = 0x100000
    NOSYMFOLLOW = 0x200000


class AtFlag(IntFlag):
    """The ``AT_*`` flags that mount_setattr(2) takes."""

    SYMLINK_NOFOLLOW = 0x100
    NO_AUTOMOUNT = 0x800
    EMPTY_PATH = 0x1000
    RECURSIVE = 0x8000


AT_SYMLINK_NOFOLLOW = AtFlag.SYMLINK_NOFOLLOW
AT_NO_AUTOMOUNT = AtFlag.NO_AUTOMOUNT
AT_EMPTY_PATH = AtFlag.EMPTY_PATH
AT_RECURSIVE = AtFlag.RECURSIVE
_EMPTY_PATH = int(AT_EMPTY_PATH)


def mount_setattr(  # noqa: PLR0913
    dirfd: int,
    path: PathLike = "",
    *,
    attr_set: int = 0,
    attr_clr: int = 0,
    propagation: int = 0,
    userns_fd: int | None = None,
    flags: int = 0,
) -> None:
    """Change a mount, or with ``AT_RECURSIVE`` all or none of a tree.

    Args:
        dirfd: a mount from `open_tree` or `fsmount`, or a directory.
        path: relative to *dirfd*; empty is *dirfd* itself (``AT_EMPTY_PATH`` is added).
        attr_set: `MountAttr` to set, after *attr_clr* are cleared.
        attr_clr: `MountAttr` to clear.
        propagation: one of ``MountFlag.PRIVATE, SLAVE, SHARED, UNBINDABLE``, or 0 for
            no change.
        userns_fd: the user namespace whose maps ``MountAttr.IDMAP`` takes; None if
            that is not set.
        flags: ``AT_*``.

    Raises:
        OSError: ``EINVAL``: not a mount, or a wrong combination; ``EPERM``: a locked
            attribute, or no CAP_SYS_ADMIN; ``EBUSY``: open for writing.

    Linux >= 5.12.
    """
    encoded = path_bytes(path)
    if not encoded:
        flags |= _EMPTY_PATH
    owner = -1 if userns_fd is None else userns_fd
    result = lib.lc_mount_setattr(
        dirfd, encoded, flags, attr_set, attr_clr, propagation, owner
    )
    if result < 0:
        texts = [
            f"set {_names(MountAttr, attr_set)}",
            f"clear {_names(MountAttr, attr_clr)}",
            f"propagation {_names(MountFlag, propagation)}",
            f"userns_fd {userns_fd}",
        ]
        check(result, "mount_setattr", dirfd, path, AtFlag(flags), *texts)


def _names(kind: type[IntFlag], value: int) -> str:
    return kind(value).name or "none"
