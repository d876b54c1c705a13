# SPDX-License-Identifier: Apache-2.0
"""Users and groups of a root filesystem, for programs that need no container."""

from __future__ import annotations

import functools
import os

from attrs import frozen

from libcontainer.host.rootfiles import open_root, read_capped
from libcontainer.host.users import resolve_user


@frozen(kw_only=True)
class FoundUser:
    """A user, as numbers."""

    uid: int
    """User id."""

    gid: int
    """Primary group id."""

    groups: tuple[int, ...]
    """Supplementary group ids."""

    home: str
    """Home directory, a path in the root filesystem."""


def find_user(user: str, rootfs: str | os.PathLike[str] = "/") -> FoundUser:
    """Look a user up in the passwd and group files of a root filesystem.

    The files may be hostile: they are opened beneath *rootfs*, whatever symlinks
    there are, must be regular and of limited size, and are read by no module of the
    C library. All digits are a number, never a name.

    Args:
        user: ``name``, ``uid``, ``name:group``, ``uid:gid`` or a mix.
        rootfs: a host path.

    Raises:
        UserLookupError: it is not of this form, not there, or a file cannot be used.
        OSError: there is no such directory.
    """
    root = open_root(os.fspath(rootfs))
    try:
        found = resolve_user(user, None, functools.partial(read_capped, root))
    finally:
        os.close(root)
    return FoundUser(uid=found.uid, gid=found.gid, groups=found.groups, home=found.home)
