# SPDX-License-Identifier: Apache-2.0
"""Gives a directory its name where the filesystem can rename none."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import Final

from libcontainer.bindings.renameat2 import RenameFlag, renameat2
from libcontainer.files.copy import remove_tree

_OPEN: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def give_name(parent: int, old: str, new: str, *, replace: bool) -> None:
    """Rename what is in a directory.

    An overlay of a user namespace has to mark a directory that it renames, and its
    upper directory may be on a tmpfs, which takes such marks since Linux 6.6. There a
    new directory gets the content, so it can be seen before it is whole.

    Args:
        parent: fd of the directory.
        old: a name in it.
        new: the same.
        replace: whether what has the new name goes.

    Raises:
        OSError: ``EEXIST``: it is there, and stays.
    """
    flags = RenameFlag(0) if replace else RenameFlag.NOREPLACE
    try:
        renameat2(parent, old, parent, new, flags)
    except OSError as error:
        if replace or error.errno != errno.EXDEV:
            raise
    else:
        return
    os.mkdir(new, 0o700, dir_fd=parent)
    source, target = -1, -1
    try:
        source = os.open(old, _OPEN, dir_fd=parent)
        target = os.open(new, _OPEN, dir_fd=parent)
        for name in os.listdir(source):
            os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
        _make_alike(source, target)
    except BaseException:
        with contextlib.suppress(OSError):
            remove_tree(parent, new)
        raise
    finally:
        for fd in (source, target):
            if fd >= 0:
                os.close(fd)
    os.rmdir(old, dir_fd=parent)


def _make_alike(source: int, target: int) -> None:
    status = os.fstat(source)
    made = os.fstat(target)
    if (made.st_uid, made.st_gid) != (status.st_uid, status.st_gid):
        os.fchown(target, status.st_uid, status.st_gid)
    for name in os.listxattr(source):
        os.setxattr(target, name, os.getxattr(source, name))
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
