# SPDX-License-Identifier: Apache-2.0
"""statfs(2): which filesystem an fd is on."""

from __future__ import annotations

from libcontainer.bindings._lib import check, ffi, lib

CGROUP_SUPER_MAGIC = 0x27E0EB
CGROUP2_SUPER_MAGIC = 0x63677270
DEVPTS_SUPER_MAGIC = 0x1CD1
NSFS_MAGIC = 0x6E736673
OVERLAYFS_SUPER_MAGIC = 0x794C7630
PROC_SUPER_MAGIC = 0x9FA0
SYSFS_MAGIC = 0x62656572
TMPFS_MAGIC = 0x01021994


def fs_type(fd: int) -> int:
    """Return the magic number of the filesystem that an fd is on.

    Args:
        fd: any fd, also one of ``O_PATH``.

    Raises:
        OSError: ``EBADF``.
    """
    cell = ffi.new("uint64_t *")
    check(lib.lc_fs_type(fd, cell), "fstatfs", fd)
    return cell[0]
