# SPDX-License-Identifier: Apache-2.0
"""Files of the caller's own directories: read, written, told apart."""

from __future__ import annotations

import os
import stat

from libcontainer.errors import StateFileError

_MAX_FILE = 64 * 1024 * 1024
_CHUNK = 64 * 1024


def identity(fd: int, known: os.stat_result | None = None) -> tuple[int, int]:
    """Return what tells an open file from any other; *known* is what fstat(2) said."""
    status = os.fstat(fd) if known is None else known
    return status.st_dev, status.st_ino


def read_all(fd: int) -> bytes:
    """Return what is left of a file."""
    # Not the most at once: for that the kernel would have to map so much memory.
    part = os.read(fd, _CHUNK)
    if len(part) < _CHUNK:  # Of a file less than was asked for is all there is.
        return part
    parts = [part]
    while parts[-1] and sum(map(len, parts)) < _MAX_FILE:
        parts.append(os.read(fd, _CHUNK))
    return b"".join(parts)


def write_all(fd: int, data: bytes) -> None:
    """Write all of *data*."""
    while data:
        data = data[os.write(fd, data) :]


def check_owner(fd: int, path: str) -> os.stat_result:
    """Refuse a directory that is not the caller's own; return what fstat(2) says.

    Raises:
        StateFileError: it is somebody else's, or others may write in it.
    """
    status = os.fstat(fd)
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        message = (
            f"{path} has owner {status.st_uid} and mode"
            f" {stat.S_IMODE(status.st_mode):#o}; it must be the caller's own and"
            " writable by nobody else"
        )
        raise StateFileError(message)
    return status
