# SPDX-License-Identifier: Apache-2.0
"""Operations that make entries in a tree of our own."""

from __future__ import annotations

from attrs import frozen

from libcontainer.plan.ops.base import Op
from libcontainer.plan.record import Record


@frozen
class Mkdir(Op):
    """Make the directory *path* in the tree *slot*."""

    KIND = 14
    MAN = "mkdir(2)"
    slot: int
    path: str
    mode: int = 0o755
    owner: tuple[int, int] = (0, 0)

    def record(self) -> Record:
        return Record(
            slot=self.slot, text=self.path, mode=self.mode, arg=_owner(self.owner)
        )

    @property
    def title(self) -> str:
        return f"make the directory {self.path!r} ({self.mode:#o})"


@frozen
class Mknod(Op):
    """Make the device node or FIFO *path* in the tree *slot*."""

    KIND = 15
    MAN = "mknod(2)"
    slot: int
    path: str
    mode: int
    major: int
    minor: int
    owner: tuple[int, int] = (0, 0)

    def record(self) -> Record:
        return Record(
            slot=self.slot,
            text=self.path,
            mode=self.mode,
            flags=self.major << 32 | self.minor,
            arg=_owner(self.owner),
        )

    @property
    def title(self) -> str:
        number = f"{self.major}:{self.minor}"
        return f"make the node {self.path!r} ({number}, {self.mode & 0o7777:#o})"


@frozen
class Symlink(Op):
    """Make the symbolic link *path* in the tree *slot*."""

    KIND = 16
    MAN = "symlink(2)"
    slot: int
    path: str
    target: str

    def record(self) -> Record:
        return Record(slot=self.slot, text=self.path, text2=self.target)

    @property
    def title(self) -> str:
        return f"make the link {self.path!r} to {self.target!r}"


def _owner(owner: tuple[int, int]) -> int:
    uid, gid = owner
    return uid << 32 | gid
