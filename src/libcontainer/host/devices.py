# SPDX-License-Identifier: Apache-2.0
"""Device nodes of the host, as a configuration has them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Final

from libcontainer.config import DEFAULT_DEV_SYMLINKS, Device
from libcontainer.config.convert import StrPath, to_path

# What a container has of its own, or what only stands for a process's own files.
_PASSED_OVER: Final = frozenset(
    {"pts", "shm", "mqueue", "console", *(name for name, _ in DEFAULT_DEV_SYMLINKS)}
)


def host_device(path: StrPath, container_path: StrPath | None = None) -> Device:
    """Return a device node or named pipe of the host, for ``Config.devices``.

    Args:
        path: where it is on the host; a symlink is followed.
        container_path: where it is to be in the container, below /dev. None: the
            same path.

    Returns:
        A `Device` of the same type, numbers, permissions, owner and group. The
        owner and group are host ids, which mean other users in a user namespace.

    Raises:
        OSError: it cannot be looked at.
        ValueError: it is neither a device nor a pipe.

    No privilege is needed. Source: stat(2), inode(7).
    """
    status = os.stat(path)
    kind = _kind(status.st_mode)
    if kind is None:
        message = f"{os.fspath(path)!r} is neither a device nor a named pipe"
        raise ValueError(message)
    is_pipe = kind == "p"
    return Device(
        path=to_path(path if container_path is None else container_path),
        type=kind,
        major=0 if is_pipe else os.major(status.st_rdev),
        minor=0 if is_pipe else os.minor(status.st_rdev),
        mode=stat.S_IMODE(status.st_mode) & 0o777,
        uid=status.st_uid,
        gid=status.st_gid,
    )


def host_devices(folder: StrPath = "/dev") -> tuple[Device, ...]:
    """Return every device node of the host below a directory, sorted by path.

    For a container that may use all of them. Left out are symlinks, pipes,
    /dev/console and what each container has of its own (pts, ptmx, shm, ...).

    Args:
        folder: a host path.

    Raises:
        OSError: the directory cannot be read; one below it is passed over.
    """
    return tuple(host_device(path) for path in sorted(_walk(to_path(folder))))


def _walk(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name in _PASSED_OVER or entry.is_symlink():
                continue
            if entry.is_dir():
                try:
                    yield from _walk(entry.path)
                except OSError:
                    continue
            elif _kind(entry.stat(follow_symlinks=False).st_mode) in {"b", "c"}:
                yield entry.path


def _kind(mode: int) -> str | None:
    if stat.S_ISCHR(mode):
        return "c"
    if stat.S_ISBLK(mode):
        return "b"
    return "p" if stat.S_ISFIFO(mode) else None
