# SPDX-License-Identifier: Apache-2.0
"""pivot_root(2): change the root mount of a mount namespace."""

from __future__ import annotations

from libcontainer.bindings._lib import PathLike, check, lib, path_bytes


def pivot_root(new_root: PathLike, put_old: PathLike) -> None:
    """Make *new_root* the root mount and move the old one to *put_old*.

    It changes root and current directory of every process in the caller's mount
    namespace that had the old root.

    Args:
        new_root: a mount point, in the caller's mount namespace.
        put_old: at or beneath *new_root*; ``"."`` for both stacks the old root on top.

    Raises:
        OSError: ``EBUSY``: one of them is on the current root mount; ``EINVAL``: not
            a mount point, a shared parent, or *put_old* is not beneath *new_root*.

    Needs CAP_SYS_ADMIN in the user namespace that owns the mount namespace.
    """
    result = lib.lc_pivot_root(path_bytes(new_root), path_bytes(put_old))
    check(result, "pivot_root", new_root, put_old)
