# SPDX-License-Identifier: Apache-2.0
"""Makes symlinks of the host anew in a container that is being set up."""

from __future__ import annotations

import os

from libcontainer.config import Config
from libcontainer.files.beneath import made_parent


def read_links(config: Config) -> tuple[tuple[str, str], ...]:
    """Return what the sources of ``copy-symlink`` are, each with where it leads.

    One that is no symlink, or not there, is left to be bound.
    """
    found = {}
    for mount in config.mounts:
        source = mount.source or ""
        if "copy-symlink" in mount.extras and os.path.islink(source):
            found[source] = os.readlink(source)
    return tuple(found.items())


def copy_link(host_pid: int, target: str, path: str) -> None:
    """Make a symlink, unless there is the same one already.

    Args:
        host_pid: the helper, whose working directory is the container's root.
        target: what the link says.
        path: where it is to be, a container path; directories above it are made.

    Raises:
        OSError: it cannot be made; ``EEXIST``: something else is there.
    """
    with made_parent(f"/proc/{host_pid}/cwd", path) as (parent, name):
        _make(parent, name, target)


def _make(parent: int, name: str, target: str) -> None:
    try:
        os.symlink(target, name, dir_fd=parent)
    except FileExistsError:
        if _says(parent, name) != target:
            raise
        return
    above = os.fstat(parent)
    os.chown(name, above.st_uid, above.st_gid, dir_fd=parent, follow_symlinks=False)


def _says(parent: int, name: str) -> str | None:
    try:
        return os.readlink(name, dir_fd=parent)
    except OSError:
        return None
