# SPDX-License-Identifier: Apache-2.0
"""Reading the files of a cgroup, with as few system calls as it takes.

A file of a cgroup comes whole from one read(2) if it fits the buffer. Opened anew it
costs three calls, kept open one.
"""

from __future__ import annotations

import errno
import os
from typing import Final, Self

from libcontainer.cgroups.group import Group
from libcontainer.errors import CgroupError
from libcontainer.plan.unified import UNIFIED

_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_ABSENT: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENODEV})
# What is there and cannot be read: a controller that is switched off, and files
# that an ordinary user may not open.
_SILENT: Final = frozenset({errno.EOPNOTSUPP, errno.EACCES, errno.EPERM, errno.EINVAL})
_CHUNK: Final = 16 * 1024
_MOST: Final = 1024 * 1024


class Files:
    """The files of one cgroup.

    Args:
        group: whose they are.
        keep: whether to keep them open between reads, one fd a file.
    """

    def __init__(self, group: Group, *, keep: bool = False) -> None:
        self._group = group
        self._keep = keep
        self._fds: dict[str, int | None] = {}
        self.count = 0
        """How many files were read since the last `check_there`."""

    def has(self, controller: str) -> bool:
        """Tell whether the cgroup has a directory for a controller."""
        return self._group.directory(controller) is not None

    def is_v2(self, controller: str) -> bool:
        """Tell whether the files of a controller are those of v2."""
        found = self._group.directory(controller)
        return found is not None and found == self._group.paths.get(UNIFIED)

    def text(self, controller: str, file: str) -> str:
        """Return what a file says; empty where there is none."""
        directory = self._group.directory(controller)
        return "" if directory is None else self._text(f"{directory}/{file}")

    def unified(self, file: str) -> str:
        """Return what a file of the v2 directory says, which v1 may have beside."""
        directory = self._group.paths.get(UNIFIED)
        return "" if directory is None else self._text(f"{directory}/{file}")

    def check_there(self) -> None:
        """Refuse a cgroup of which not one file was read since the last check.

        Raises:
            CgroupError: it has been removed.
        """
        count, self.count = self.count, 0
        if not count:
            path = next(iter(self._group.paths.values()), "")
            raise CgroupError(errno.ENOENT, f"measure the cgroup {path}")

    def close(self) -> None:
        """Close what was kept open."""
        fds, self._fds = self._fds, {}
        for fd in fds.values():
            if fd is not None:
                os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _text(self, path: str) -> str:
        try:
            if self._keep:
                fd = self._kept(path)
                return "" if fd is None else self._read(fd)
            fd = os.open(path, _FLAGS)
            try:
                return self._read(fd)
            finally:
                os.close(fd)
        except OSError as error:
            if error.errno in _SILENT:
                self.count += 1
            elif error.errno not in _ABSENT:
                raise
            return ""

    def _kept(self, path: str) -> int | None:
        if path not in self._fds:
            try:
                self._fds[path] = os.open(path, _FLAGS)
            except FileNotFoundError:
                # What a kernel has not now it will not have later.
                self._fds[path] = None
        return self._fds[path]

    def _read(self, fd: int) -> str:
        data = os.pread(fd, _CHUNK, 0)
        if len(data) == _CHUNK:
            parts = [data]
            while data and len(parts) * _CHUNK < _MOST:
                data = os.pread(fd, _CHUNK, len(parts) * _CHUNK)
                parts.append(data)
            data = b"".join(parts)
        self.count += 1
        return data.decode("utf-8", "replace")
