# SPDX-License-Identifier: Apache-2.0
"""Reads and writes the files of a cgroup, each of which holds one value."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self

OPEN = os.O_CLOEXEC | os.O_NOFOLLOW
_CHUNK = 65536
# The kernel fills a page before it gives less than it has.
_SURELY_ALL = 2048


def read_value(path: str) -> str:
    """Return what a file says.

    Raises:
        OSError: it is not there, or cannot be read.
    """
    fd = os.open(path, os.O_RDONLY | OPEN)
    try:
        text = part = os.read(fd, _CHUNK)
        while len(part) >= _SURELY_ALL:
            part = os.read(fd, _CHUNK)
            text += part
        return text.decode()
    finally:
        os.close(fd)


def write_value(path: str, value: str) -> None:
    """Write a value.

    Raises:
        OSError: the kernel refused it.
    """
    with Writer() as writer:
        writer.write(path, value)


class Writer:
    """Writes one value after the other; a file that comes again is still open."""

    def __init__(self) -> None:
        self._path: str | None = None
        self._fd = -1

    def write(self, path: str, value: str) -> None:
        """Write a value; see `write_value`."""
        if path != self._path:
            self._close()
            self._fd = os.open(path, os.O_WRONLY | OPEN)
            self._path = path
        os.write(self._fd, value.encode())

    def _close(self) -> None:
        fd, self._fd, self._path = self._fd, -1, None
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()
