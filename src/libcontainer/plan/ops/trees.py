# SPDX-License-Identifier: Apache-2.0
"""Operations that make detached mounts."""

from __future__ import annotations

import struct

from attrs import frozen

from libcontainer.plan.change import Change, tree_text
from libcontainer.plan.describe import attributes_text
from libcontainer.plan.ops.attach import NO_FOLLOW
from libcontainer.plan.ops.base import Op
from libcontainer.plan.record import NONE, Record


@frozen
class CloneTree(Op):
    """Clone the mount tree at *host_path*, the inode that *slot* holds."""

    KIND = 7
    MAN = "open_tree(2)"
    slot: int
    host_path: str
    change: Change
    recursive: bool
    nofollow: bool = False

    def record(self) -> Record:
        flags = NO_FOLLOW if self.nofollow else 0
        # The kernel changes no more mounts than the clone has.
        data = self.change.pack()[:-8] + struct.pack("=Q", self.recursive)
        return Record(slot=self.slot, text=self.host_path, data=data, flags=flags)

    @property
    def title(self) -> str:
        how = tree_text((self.change,), recursive=self.recursive)
        return f"open the mount tree of {self.host_path!r} ({how})"


@frozen
class MakeFs(Op):
    """Make a new filesystem of *fstype*, mounted nowhere yet.

    Attributes:
        mode_of: container path of a directory whose permissions it gets, if it is
            there.
    """

    KIND = 8
    MAN = "fsopen(2)"
    slot: int
    fstype: str
    options: tuple[str, ...] = ()
    attributes: int = 0
    purpose: str = ""
    mode_of: str | None = None

    def record(self) -> Record:
        return Record(
            slot=self.slot,
            flags=self.attributes,
            text=self.fstype,
            text2=self.mode_of,
            list=self.options,
        )

    @property
    def title(self) -> str:
        named = f"source={self.fstype}"
        options = (option for option in self.options if option != named)
        words = ", ".join((attributes_text(self.attributes), *options))
        if self.mode_of is not None:
            words += ", mode as it is there"
        what = f"make a {self.fstype} filesystem ({words})"
        return f"{what} for {self.purpose}" if self.purpose else what


@frozen
class Overlay(Op):
    """Make an overlay filesystem of layers."""

    KIND = 10
    MAN = "fsopen(2)"
    slot: int
    scratch: int
    lower: tuple[int, ...]
    upper: int = NONE
    upper_path: str | None = None
    work_path: str | None = None
    attributes: int = 0
    options: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()

    def record(self) -> Record:
        count = len(self.lower)
        data = struct.pack("=iiIIQII", self.scratch, self.upper, 0, 0, 0, 0, 0)
        return Record(
            slot=self.slot,
            list=self.options,
            data=data + struct.pack(f"={count}i", *self.lower),
            patch=(
                (8, "I", self.upper_path),
                (12, "I", self.work_path),
                (16, "Q", self.attributes),
                (24, "I", count),
            ),
        )

    @property
    def title(self) -> str:
        upper = self.upper_path or "a tmpfs"
        lower = ", ".join(repr(layer) for layer in self.layers)
        return f"make an overlay of {lower} under {upper}"


@frozen
class SetAttributes(Op):
    """Change the attributes of the mount in *slot*."""

    KIND = 11
    MAN = "mount_setattr(2)"
    slot: int
    change: Change
    what: str

    def record(self) -> Record:
        return Record(slot=self.slot, data=self.change.pack())

    @property
    def title(self) -> str:
        return f"make {self.what} {self.change.text}"
