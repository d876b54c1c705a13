# SPDX-License-Identifier: Apache-2.0
"""User names to numbers, by the container's own files.

Those files are the image's and may be anything: they are opened beneath the
root they belong to, and read with limits (`libcontainer.host.users`).
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterator

from libcontainer.bindings.openat2 import Resolve, openat2
from libcontainer.config import Config, Overlay
from libcontainer.host.users import read_capped, resolve_user
from libcontainer.plan import Identity
from libcontainer.process import Process

_PATH = os.O_PATH | os.O_CLOEXEC
_DIRECTORY = _PATH | os.O_DIRECTORY


def identity_in_rootfs(config: Config, process: Process) -> Identity:
    """Return who *process* is in a container that is yet to be made.

    Raises:
        UserLookupError: a name is not in the rootfs.
    """

    def open_file(path: str) -> bytes | None:
        for root, rest in _places(config, path):
            found, data = _read_layer(root, rest)
            if found:
                return data
        return None

    return _resolve(config, process, open_file)


def identity_in_container(
    config: Config, process: Process, init_host_pid: int
) -> Identity:
    """Return who *process* is in a running container.

    Raises:
        UserLookupError: a name is not in the container.
        ProcessLookupError: init has ended.
    """
    root = os.open(f"/proc/{init_host_pid}/root", _DIRECTORY)
    try:
        return _resolve(config, process, lambda path: read_capped(root, path))
    finally:
        os.close(root)


def _resolve(config: Config, process: Process, open_file: object) -> Identity:
    spec = config.user if process.user is None else process.user
    groups = process.additional_groups
    if groups is None:
        groups = config.additional_groups
    return resolve_user(spec, groups, open_file)  # type: ignore[arg-type]


def _places(config: Config, path: str) -> Iterator[tuple[str, str]]:
    """Yield (host root, path beneath it) of where *path* may come from.

    A mount over it hides the rootfs; the layers of an overlay are searched
    from the top.
    """
    absolute = f"/{path}"
    for mount in reversed(config.mounts):
        if _covers(mount.destination, absolute):
            if mount.type == "bind" and mount.source is not None:
                rest = posixpath.relpath(absolute, mount.destination)
                yield mount.source, "" if rest == "." else rest
            return
    if not isinstance(config.rootfs, Overlay):
        yield config.rootfs.path, path
        return
    if config.rootfs.upper is not None:
        yield config.rootfs.upper, path
    for layer in config.rootfs.lower:
        yield layer, path


def _covers(destination: str, path: str) -> bool:
    return path == destination or path.startswith(f"{destination.rstrip('/')}/")


def _read_layer(root: str, path: str) -> tuple[bool, bytes | None]:
    """Return whether the layer settles *path*, and what it holds there."""
    folder, name = (root, path) if path else posixpath.split(root)
    fd = os.open(folder, _DIRECTORY)
    try:
        if _is_whiteout(fd, name):
            return True, None
        data = read_capped(fd, name)
        return data is not None, data
    finally:
        os.close(fd)


def _is_whiteout(root: int, path: str) -> bool:
    resolve = Resolve.IN_ROOT | Resolve.NO_MAGICLINKS
    try:
        fd = openat2(root, path, _PATH | os.O_NOFOLLOW, resolve=resolve)
    except OSError:
        return False
    try:
        status = os.fstat(fd)
    finally:
        os.close(fd)
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0
