# SPDX-License-Identifier: Apache-2.0
"""inotify(7): being told what happens to files and directories."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from enum import IntFlag
from typing import Final, NamedTuple

from libcontainer.bindings._lib import PathLike, check, lib, path_bytes

_HEAD: Final = struct.Struct("=iIII")
_SIZE: Final = 16 * 1024


class InotifyMask(IntFlag):
    """``IN_*``: what to be told, and what was."""

    ACCESS = 0x1
    MODIFY = 0x2
    ATTRIB = 0x4
    CLOSE_WRITE = 0x8
    CLOSE_NOWRITE = 0x10
    OPEN = 0x20
    MOVED_FROM = 0x40
    MOVED_TO = 0x80
    CREATE = 0x100
    DELETE = 0x200
    DELETE_SELF = 0x400
    MOVE_SELF = 0x800
    UNMOUNT = 0x2000
    Q_OVERFLOW = 0x4000
    IGNORED = 0x8000
    ONLYDIR = 0x1000000
    DONT_FOLLOW = 0x2000000
    EXCL_UNLINK = 0x4000000
    MASK_CREATE = 0x10000000
    MASK_ADD = 0x20000000
    ISDIR = 0x40000000


class InotifyEvent(NamedTuple):
    """Something that has happened.

    Attributes:
        watch: the number of the watch; -1 where events were lost.
        mask: what it was, `InotifyMask`.
        name: of a watched directory the name in it, else empty.
    """

    watch: int
    mask: int
    name: str


def inotify_init() -> int:
    """Make an inotify instance.

    Returns:
        Its fd, close-on-exec and non-blocking.

    Raises:
        OSError: ``EMFILE``: the user has as many instances as
            ``fs.inotify.max_user_instances`` allows.
    """
    return check(lib.lc_inotify_init(), "inotify_init1", "CLOEXEC | NONBLOCK")


def inotify_add_watch(fd: int, path: PathLike, mask: int) -> int:
    """Watch a file or directory, or change what is watched of it.

    Args:
        fd: of `inotify_init`.
        path: what to watch.
        mask: `InotifyMask`.

    Returns:
        The number of the watch; the same again for the same file.

    Raises:
        OSError: ``ENOENT``: it is not there; ``ENOSPC``: the user has as many watches
            as ``fs.inotify.max_user_watches`` allows.
    """
    result = lib.lc_inotify_add_watch(fd, path_bytes(path), mask)
    return check(result, "inotify_add_watch", fd, path, InotifyMask(mask))


def inotify_rm_watch(fd: int, watch: int) -> None:
    """End a watch.

    Raises:
        OSError: ``EINVAL``: there is no such watch, or not any more.
    """
    check(lib.lc_inotify_rm_watch(fd, watch), "inotify_rm_watch", fd, watch)


def read_events(fd: int) -> Iterator[InotifyEvent]:
    """Yield what has happened since the last call; never blocks."""
    while True:
        try:
            data = os.read(fd, _SIZE)
        except BlockingIOError:
            return
        yield from _parse(data)


def _parse(data: bytes) -> Iterator[InotifyEvent]:
    while data:
        watch, mask, _, length = _HEAD.unpack_from(data)
        end = _HEAD.size + length
        name = data[_HEAD.size : end].rstrip(b"\0")
        yield InotifyEvent(watch, mask, os.fsdecode(name))
        data = data[end:]
