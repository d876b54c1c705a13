# SPDX-License-Identifier: Apache-2.0
"""renameat2(2): rename without replacing, or exchange."""

from __future__ import annotations

from enum import IntFlag

from libcontainer.bindings._lib import PathLike, check, lib, path_bytes


class RenameFlag(IntFlag):
    """``RENAME_*``."""

    NOREPLACE = 1
    EXCHANGE = 2
    WHITEOUT = 4


RENAME_NOREPLACE = RenameFlag.NOREPLACE
RENAME_EXCHANGE = RenameFlag.EXCHANGE


def renameat2(
    old_dirfd: int,
    old_path: PathLike,
    new_dirfd: int,
    new_path: PathLike,
    flags: int = 0,
) -> None:
    """Rename atomically.

    Args:
        old_dirfd: where a relative *old_path* starts; `AT_FDCWD` as usual.
        old_path: what to rename; a symlink is renamed itself.
        new_dirfd: where a relative *new_path* starts.
        new_path: its new name.
        flags: ``RENAME_NOREPLACE`` or ``RENAME_EXCHANGE``.

    Raises:
        OSError: ``EEXIST``: *new_path* is there, with ``NOREPLACE``; ``EINVAL``: the
            filesystem cannot do it; ``EXDEV``: two filesystems.

    Linux >= 3.15.
    """
    old, new = path_bytes(old_path), path_bytes(new_path)
    result = lib.lc_renameat2(old_dirfd, old, new_dirfd, new, flags)
    if result < 0:
        call = (old_dirfd, old_path, new_dirfd, new_path, RenameFlag(flags))
        check(result, "renameat2", *call)
