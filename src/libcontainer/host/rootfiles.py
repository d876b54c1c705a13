# SPDX-License-Identifier: Apache-2.0
"""Reads small files of a container's root from outside, without trusting it.

Every path is resolved by the kernel beneath the root (openat2(2)), so that no
link of the image leads out of it, and only a regular file is ever opened for
reading: opening a device or a FIFO could already do something.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterator, Sequence
from typing import Final

from libcontainer.bindings.openat2 import (
    RESOLVE_IN_ROOT,
    RESOLVE_NO_MAGICLINKS,
    try_openat2,
)
from libcontainer.errors import UserLookupError, errno_name

MAX_FILE_BYTES: Final = 1024 * 1024
MAX_CHUNK: Final = 64 * 1024

# The kernel answers EAGAIN when a rename ran into the resolution of "..".
_MAX_TRIES: Final = 128
_NO_ACCESS: Final = (
    "the caller may not look into the root filesystem, or not read this file of it"
)
# Times of files are as coarse as the clock of the kernel, or of another machine.
_STILL_NS: Final = 2_000_000_000
_MOST_FILES: Final = 32
_RESOLVE: Final = int(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
_AGAIN: Final = (-errno.EAGAIN, -errno.EINTR)
_LOOK: Final = os.O_PATH | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_ABSENT: Final = frozenset({errno.ENOENT, errno.ENOTDIR})
_OPAQUE: Final = ("trusted.overlay.opaque", "user.overlay.opaque")


def open_root(path: str) -> int:
    """Return an fd of a directory for `read_capped`; a host path.

    Raises:
        OSError: it cannot be opened.
    """
    return os.open(path, _LOOK | os.O_DIRECTORY)


class Seen:
    """What small files hold that have not changed since they were read."""

    def __init__(self) -> None:
        self._files: dict[tuple[int, ...], bytes] = {}

    def get(self, status: os.stat_result) -> bytes | None:
        """Return what a file held when fstat(2) said this of it, None if not known."""
        return self._files.get(_stamp(status))

    def put(self, status: os.stat_result, began: int, data: bytes) -> None:
        """Remember what a file holds.

        Args:
            status: what fstat(2) said of it,
            began: at this time, nanoseconds since 1970.
            data: what was read then.
        """
        # What has just been changed may be changed again with the same time.
        still = 0 <= status.st_ctime_ns < began - _STILL_NS
        if not still or len(data) > MAX_CHUNK or len(data) != status.st_size:
            return
        if len(self._files) >= _MOST_FILES:
            self._files.clear()
        self._files[_stamp(status)] = data


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    file = status.st_dev, status.st_ino, status.st_size
    return (*file, status.st_mtime_ns, status.st_ctime_ns)


def read_capped(dir_fd: int, path: str, seen: Seen | None = None) -> bytes | None:
    """Return what a regular file holds, or None if there is no such file.

    Args:
        dir_fd: root of the container, as the links in it mean it.
        path: relative to *dir_fd*.
        seen: spares the reading of what it knows, and learns.

    Raises:
        UserLookupError: it is no regular file, larger than 1 MiB, or cannot
            be opened.
    """
    found = _look_up(dir_fd, path, _LOOK)
    if -found in _ABSENT:
        return None
    if found < 0:
        raise _unreadable(path, -found)
    try:
        return _read(found, path, seen)
    except OSError as error:
        raise _unreadable(path, error.errno or 0) from error
    finally:
        os.close(found)


def _unreadable(path: str, number: int) -> UserLookupError:
    text = f"{os.strerror(number).lower()} [{errno_name(number)}]"
    if number == errno.EACCES:
        text += f"\nhint: {_NO_ACCESS}"
    return UserLookupError(f"read /{path} of the container: {text}")


def read_layered(layers: Sequence[int], path: str) -> bytes | None:
    """Return what a file holds in an overlay that is not mounted yet.

    Args:
        layers: roots of the layers, the topmost first.
        path: relative to each.

    Raises:
        UserLookupError: as `read_capped`; also if a link is in the way, whose
            target may be in another layer.
    """
    *upper, last = layers
    for layer in upper:
        state = _state(layer, path)
        if state == "file":
            return read_capped(layer, path)
        if state == "hidden":
            return None
    return read_capped(last, path)


def _state(layer: int, path: str) -> str:
    """Tell whether a layer has a file, hides it in lower layers, or neither."""
    names = path.split("/")
    is_opaque = False
    for count in range(1, len(names) + 1):
        prefix = "/".join(names[:count])
        try:
            found = _open(layer, prefix, _LOOK | os.O_NOFOLLOW)
        except FileNotFoundError:
            return "hidden" if is_opaque else "absent"
        with _closing(found):
            status = os.fstat(found)
            if stat.S_ISLNK(status.st_mode):
                message = (
                    f"read /{path} of the container: /{prefix} is a link within a"
                    " layer; merge the layers, or make it a file"
                )
                raise UserLookupError(message)
            if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                return "hidden"
            if not stat.S_ISDIR(status.st_mode):
                # Anything else covers what is below; reading tells what it is.
                return "file"
            is_opaque = is_opaque or _is_opaque(found)
    return "file"


def _is_opaque(directory: int) -> bool:
    for name in _OPAQUE:
        with contextlib.suppress(OSError):
            if os.getxattr(f"/proc/self/fd/{directory}", name) == b"y":
                return True
    return False


def _look_up(dir_fd: int, path: str, flags: int) -> int:
    """Return an fd, or minus the errno."""
    encoded = os.fsencode(path)
    found = -errno.EAGAIN
    for _ in range(_MAX_TRIES):
        found = try_openat2(dir_fd, encoded, flags, _RESOLVE)
        if found not in _AGAIN:
            break
    return found


def _open(dir_fd: int, path: str, flags: int) -> int:
    found = _look_up(dir_fd, path, flags)
    if found < 0:
        raise OSError(-found, os.strerror(-found), path)
    return found


def _read(found: int, path: str, seen: Seen | None) -> bytes:
    status = os.fstat(found)
    if not stat.S_ISREG(status.st_mode):
        raise UserLookupError(f"read /{path} of the container: no regular file")
    if seen is None:
        return _read_all(found, path)
    data = seen.get(status)
    if data is None:
        began = time.time_ns()
        data = _read_all(found, path)
        seen.put(status, began, data)
    return data


def _read_all(found: int, path: str) -> bytes:
    # Through our own fd, so it is the same inode that has just been looked at.
    with _closing(os.open(f"/proc/self/fd/{found}", _READ)) as file:
        data = b""
        while len(data) <= MAX_FILE_BYTES:
            chunk = os.read(file, MAX_CHUNK)
            if not chunk:
                return data
            data += chunk
    message = f"read /{path} of the container: larger than {MAX_FILE_BYTES} bytes"
    raise UserLookupError(message)


@contextlib.contextmanager
def _closing(fd: int) -> Iterator[int]:
    try:
        yield fd
    finally:
        os.close(fd)
