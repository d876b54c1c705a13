# SPDX-License-Identifier: Apache-2.0
"""Operations that put mounts where they belong."""

from __future__ import annotations

from attrs import frozen

from libcontainer.plan.change import MS_SLAVE
from libcontainer.plan.describe import attributes_text
from libcontainer.plan.ops.base import Op
from libcontainer.plan.ops.call import SlotRef, call, text
from libcontainer.plan.record import NONE, Record

MAKE_DIRECTORY = 1
MAKE_FILE = 2
MAKE_LIKE_SOURCE = 4
REAL_DIRECTORY = 8
ON_PROC = 16
NO_FOLLOW = 32

AT_FDCWD = -100
MOUNT_FLAGS = {2: 2, 4: 4, 8: 8, 0x10: 1 << 10, 0x20: 1 << 24, 0x80: 1 << 11}
"""MS_* of each MOUNT_ATTR_* that mount(2) sets of the mount, not of the filesystem."""

_F_EMPTY_PATH = 4
_MS_REC = 16384


@frozen
class SetPropagation(Op):
    """Cut every mount off from the host's."""

    MAN = "mount(2)"
    flags: int

    def record(self) -> Record:
        return call("mount", 0, b"/\0", 0, _MS_REC | self.flags)

    @property
    def title(self) -> str:
        word = "slave" if self.flags == MS_SLAVE else "private"
        return f"make '/' {word}, recursive"


@frozen
class Scratch(Op):
    """Attach the tmpfs *slot* where the layers of an overlay are put."""

    MAN = "move_mount(2)"
    slot: int

    def record(self) -> Record:
        tree = SlotRef(self.slot)
        return call("move_mount", tree, b"\0", AT_FDCWD, b"/\0", _F_EMPTY_PATH)

    @property
    def title(self) -> str:
        return "attach a private tmpfs for the layers"


@frozen
class Root(Op):
    """Attach the tree *slot* as the root of the container.

    Attributes:
        path: the host's directory on which it is attached.
    """

    KIND = 5
    MAN = "move_mount(2)"
    slot: int
    what: str
    path: str = "/"

    def record(self) -> Record:
        strings = () if self.path == "/" else (self.path,)
        return Record(slot=self.slot, strings=strings)

    @property
    def title(self) -> str:
        where = "" if self.path == "/" else f", on {self.path!r}"
        return f"attach {self.what} as the container's root{where}"


@frozen
class Attach(Op):
    """Attach the tree *slot* on *path*, inside or beneath the tree *base*."""

    KIND = 6
    MAN = "move_mount(2)"
    slot: int
    path: str
    what: str
    base: int = NONE
    flags: int = 0
    mode: int = 0o755
    base_path: str = ""

    def record(self) -> Record:
        # Only a path that says so leads into /proc, never a symlink of the image. A
        # real directory of the root itself cannot, so there is nothing to look for.
        in_root = self.flags & REAL_DIRECTORY and self.path.count("/") == 1
        into_proc = f"{self.path}/".startswith("/proc/")
        on_proc = self.base == NONE and (in_root or into_proc)
        path = self.path if self.base == NONE else self.path.lstrip("/")
        return Record(
            slot=self.slot,
            slot2=self.base,
            strings=(path,),
            flags=self.flags | (ON_PROC if on_proc else 0),
            mode=self.mode,
        )

    @property
    def title(self) -> str:
        path = f"{self.base_path}/{self.path}" if self.base_path else self.path
        return f"attach {self.what} on {path!r}"


@frozen
class Mask(Op):
    """Hide *path*: a directory by an empty tmpfs, a file by the null device.

    *path* is looked up beneath the tree *base*, which is mounted on *base_path*.
    """

    KIND = 7
    MAN = "move_mount(2)"
    path: str
    empty: int
    null: int
    base: int = NONE
    base_path: str = ""

    def record(self) -> Record:
        path = (_below(self.path, self.base_path),)
        return Record(
            slot=self.empty,
            slot2=self.null,
            strings=path,
            arg=self.base + 1,
            uses=(self.base,),
        )

    @property
    def title(self) -> str:
        return f"mask {self.path!r}"


@frozen
class Readonly(Op):
    """Make *path* a read-only mount of itself; *base* as for `Mask`."""

    KIND = 8
    MAN = "mount_setattr(2)"
    path: str
    base: int = NONE
    base_path: str = ""

    def record(self) -> Record:
        return Record(slot=self.base, strings=(_below(self.path, self.base_path),))

    @property
    def title(self) -> str:
        return f"make {self.path!r} read-only"


def _below(path: str, base_path: str) -> str:
    return path.removeprefix(f"{base_path}/") if base_path else path


@frozen
class Pivot(Op):
    """Make the container's root the root and let go of the old one."""

    KIND = 9
    MAN = "pivot_root(2)"

    def record(self) -> Record:
        return Record()

    @property
    def title(self) -> str:
        return "pivot_root to the rootfs, detach the old root"


@frozen
class MountNew(Op):
    """Make the directory *name* of the working directory, mount a new filesystem there.

    The working directory is a tree of our own, in a mount namespace of our own: there
    is no path that anybody could exchange, and the filesystem is there with all of its
    attributes at once. Elsewhere it is made by `MakeFs` and attached from fd to fd.

    Attributes:
        attributes: MOUNT_ATTR_*, none but those of `MOUNT_FLAGS`.
        data: its options, joined.
        path: where that is in the container.
    """

    MAN = "mount(2)"
    name: str
    fstype: str
    source: str
    attributes: int
    data: str
    path: str

    def records(self) -> tuple[Record, ...]:
        name, fstype = text(self.name), text(self.fstype)
        data = text(self.data) if self.data else 0
        flags = sum(f for bit, f in MOUNT_FLAGS.items() if self.attributes & bit)
        return (
            call("mkdirat", AT_FDCWD, name, 0o755),
            call("mount", text(self.source), name, fstype, flags, data),
        )

    @property
    def title(self) -> str:
        words = [attributes_text(self.attributes), *filter(None, self.data.split(","))]
        return f"mount a {self.fstype} filesystem ({', '.join(words)}) on {self.path!r}"
