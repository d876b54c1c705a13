# SPDX-License-Identifier: Apache-2.0
"""statx(2): which mount an fd is on."""

from __future__ import annotations

from libcontainer.bindings._lib import check, ffi, lib


def mount_id(fd: int, *, unique: bool = False) -> int:
    """Return the id of the mount that an fd is on.

    Args:
        fd: any fd, also one of ``O_PATH`` or of a detached mount.
        unique: the id that is never used again (Linux 6.8) instead of the one that
            ``/proc/self/mountinfo`` shows (Linux 5.8).

    Raises:
        OSError: ``EBADF``; ``EOPNOTSUPP``: the kernel is older than that.
    """
    cell = ffi.new("uint64_t *")
    name = "STATX_MNT_ID_UNIQUE" if unique else "STATX_MNT_ID"
    check(lib.lc_mount_id(fd, int(unique), cell), "statx", fd, name)
    return cell[0]
