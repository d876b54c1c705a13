# SPDX-License-Identifier: Apache-2.0
"""Operations that make entries in a tree of our own.

Where *path* has more than one name, the slot *parent* gets the directory above it.
"""

from __future__ import annotations

import os
import posixpath
import struct

from attrs import frozen

from libcontainer.plan.ops.base import Op
from libcontainer.plan.ops.call import SlotRef, call, text
from libcontainer.plan.record import NONE, Record

_AT_SYMLINK_NOFOLLOW = 0x100
_HOW = 0o10000000 | os.O_DIRECTORY | os.O_CLOEXEC  # O_PATH
_BENEATH, _NO_SYMLINKS = 8, 4


@frozen
class Mkdir(Op):
    """Make the directory *path* in the tree *slot*."""

    MAN = "mkdir(2)"
    slot: int
    path: str
    mode: int = 0o755
    owner: tuple[int, int] = (0, 0)
    parent: int = NONE

    def records(self) -> tuple[Record, ...]:
        place = _Place(self.slot, self.path, self.parent)
        made = call("mkdirat", *place.args, self.mode)
        return (*place.opened, made, *place.given_to(self.owner))

    @property
    def title(self) -> str:
        return f"make the directory {self.path!r} ({self.mode:#o})"


@frozen
class Mknod(Op):
    """Make the device node or FIFO *path* in the tree *slot*."""

    MAN = "mknod(2)"
    slot: int
    path: str
    mode: int
    major: int
    minor: int
    owner: tuple[int, int] = (0, 0)
    parent: int = NONE

    def records(self) -> tuple[Record, ...]:
        place = _Place(self.slot, self.path, self.parent)
        device = os.makedev(self.major, self.minor)
        made = call("mknodat", *place.args, self.mode, device)
        return (*place.opened, made, *place.given_to(self.owner))

    @property
    def title(self) -> str:
        number = f"{self.major}:{self.minor}"
        return f"make the node {self.path!r} ({number}, {self.mode & 0o7777:#o})"


@frozen
class Symlink(Op):
    """Make the symbolic link *path* in the tree *slot*."""

    MAN = "symlink(2)"
    slot: int
    path: str
    target: str

    def record(self) -> Record:
        return call("symlinkat", text(self.target), SlotRef(self.slot), text(self.path))

    @property
    def title(self) -> str:
        return f"make the link {self.path!r} to {self.target!r}"


@frozen
class _Place:
    """Where an entry is made: a name in a directory that nobody can exchange (R1)."""

    slot: int
    path: str
    parent: int

    @property
    def opened(self) -> tuple[Record, ...]:
        """What opens the directory, where it is not the tree's own."""
        folder = posixpath.dirname(self.path)
        return (open_beneath(self.slot, folder, self.parent),) if folder else ()

    @property
    def args(self) -> tuple[SlotRef, bytes]:
        """Directory and name, for the calls that take both."""
        folder, name = posixpath.split(self.path)
        return SlotRef(self.parent if folder else self.slot), text(name)

    def given_to(self, owner: tuple[int, int]) -> tuple[Record, ...]:
        """What gives the entry to its owner.

        0:0 is whom it belongs to already, since the helper is root where it builds.
        """
        if owner == (0, 0):
            return ()
        return (call("fchownat", *self.args, *owner, _AT_SYMLINK_NOFOLLOW),)


def open_beneath(slot: int, folder: str, result: int = NONE) -> Record:
    """Return what opens a directory of a tree, by a path without symlinks."""
    how = struct.pack("=3Q", _HOW, 0, _BENEATH | _NO_SYMLINKS)
    args = (SlotRef(slot), text(folder), how, len(how))
    return call("openat2", *args, result=result)
