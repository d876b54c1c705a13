# SPDX-License-Identifier: Apache-2.0
"""A file with the pid of a process, for those who watch for it."""

from __future__ import annotations

import contextlib
import os
import secrets


def write_pid_file(path: str, host_pid: int) -> None:
    """Put *host_pid*, in decimal and nothing else, into the file *path*.

    It is renamed into place: who sees the file sees the number.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    folder, name = os.path.split(path)
    fresh = os.path.join(folder, f".{name}.{secrets.token_hex(4)}")
    try:
        _put(fresh, path, str(host_pid).encode())
    except OSError as error:
        # Nobody has given the other name.
        raise OSError(error.errno, error.strerror, path) from error


def _put(fresh: str, path: str, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(fresh, flags, 0o644)
    try:
        try:
            os.write(fd, content)
        finally:
            os.close(fd)
        os.rename(fresh, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh)
        raise
