# SPDX-License-Identifier: Apache-2.0
"""Opens regular files beneath a root, and nothing that is something else.

First the inode is looked at, then that same inode is opened: a FIFO would block, a
device could do something, and a link may be another one the next moment.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

from attrs import frozen

from libcontainer.files.beneath import LOOK, open_beneath, own, parent_of
from libcontainer.files.info import RefusedError, kind_of, refuse_kernel

# O_NONBLOCK also for a lease (fcntl(2)), which would make an open(2) wait.
_SAFELY: Final = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_MAX_TRIES: Final = 128


@frozen
class Creation:
    """What a file becomes that is not there yet.

    Attributes:
        mode: its permissions, whatever the caller's umask.
        owner: user and group as the caller counts, or None: the caller's.
        exclusive: whether one that is there already is an error.
    """

    mode: int = 0o644
    owner: tuple[int, int] | None = None
    exclusive: bool = False


def open_regular(
    root: int, path: str, flags: int, creation: Creation | None = None
) -> int:
    """Return an fd of a regular file; links are followed beneath the root.

    Args:
        root: fd of the directory that is ``/`` for the path.
        path: the file.
        flags: access mode, ``O_APPEND`` and ``O_TRUNC``.
        creation: what it becomes if it is absent; None: that is an error.

    Raises:
        RefusedError: it is no regular file, or one of the kernel's.
        OSError: the kernel refused it.
    """
    for _ in range(_MAX_TRIES):
        try:
            found = open_beneath(root, path, LOOK)
        except FileNotFoundError:
            if creation is None:
                raise
            fd = _create(root, path, flags, creation)
            if fd >= 0:
                return fd
            continue
        try:
            if creation is not None and creation.exclusive:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            return reopen(found, path, flags)
        finally:
            os.close(found)
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def reopen(found: int, path: str, flags: int) -> int:
    """Return an fd of the regular file that an O_PATH fd stands for.

    Raises:
        RefusedError: it is no regular file, or one of the kernel's.
        IsADirectoryError: it is a directory.
    """
    mode = os.fstat(found).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        text = f"{path!r} is a {kind_of(mode)}: only regular files are opened"
        raise RefusedError(errno.EPERM, text)
    refuse_kernel(found, path)
    return os.open(f"/proc/self/fd/{found}", flags | _SAFELY)


def _create(root: int, path: str, flags: int, creation: Creation) -> int:
    """Return an fd of a new file, or -1 if there is one after all."""
    new = (flags & ~os.O_TRUNC) | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | _SAFELY
    with parent_of(root, path) as (parent, name):
        refuse_kernel(parent, path)
        try:
            fd = os.open(name, new, 0o600, dir_fd=parent)
        except FileExistsError:
            if _is_link(parent, name):
                # A link that leads nowhere. What it names is not made.
                raise FileNotFoundError(
                    errno.ENOENT, os.strerror(errno.ENOENT)
                ) from None
            return -1
    try:
        own(fd, creation.mode, creation.owner)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _is_link(parent: int, name: str) -> bool:
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return stat.S_ISLNK(found.st_mode)
