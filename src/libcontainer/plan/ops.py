# SPDX-License-Identifier: Apache-2.0
"""The init operations: the closed vocabulary of what the helper can do.

One class an operation. The class name, ``LC_OP_*`` in ``plan_abi.h``,
``op_*()`` in the helper and the test carry the same stem. A class knows two
things: how its fields travel (`Op.record`) and how it is told to a person
(`Op.title`). It decides nothing: a plan has no variables and no conditions.

*slot* is the number of an fd in the plan's slot table. A *tree* is a slot that
holds a detached mount. A path *inside* is resolved beneath the container's
root, so a symlink of the image can never lead out of it.
"""

from __future__ import annotations

import struct
from typing import ClassVar

from attrs import field, frozen

from libcontainer.plan.describe import attributes_text, flags_text
from libcontainer.plan.record import NONE, Record

CLONE_NEWNS = 0x00020000

MAKE_DIRECTORY = 1
MAKE_FILE = 2
MAKE_LIKE_SOURCE = 4
REAL_DIRECTORY = 8


@frozen
class Op:
    """One operation of the init side."""

    KIND: ClassVar[int] = 0
    MAN: ClassVar[str] = ""

    def record(self) -> Record:
        """Return the fields of this operation as they travel."""
        raise NotImplementedError

    @property
    def title(self) -> str:
        """What the operation does, on what: ``verb object (flags)``."""
        raise NotImplementedError


@frozen
class Setns(Op):
    """Join the namespaces *flags* of the process or namespace in *slot*."""

    KIND = 1
    MAN = "setns(2)"
    slot: int
    flags: int
    of: str

    def record(self) -> Record:
        return Record(slot=self.slot, flags=self.flags)

    @property
    def title(self) -> str:
        return f"join the namespaces {flags_text(self.flags)} of {self.of}"


@frozen
class Unshare(Op):
    """Leave the namespaces *flags* for new ones."""

    KIND = 2
    MAN = "unshare(2)"
    flags: int

    def record(self) -> Record:
        return Record(flags=self.flags)

    @property
    def title(self) -> str:
        return f"enter new namespaces {flags_text(self.flags)}"


@frozen
class Clone(Op):
    """Go on in a child that enters the new namespaces *flags*."""

    KIND = 3
    MAN = "clone(2)"
    flags: int

    def record(self) -> Record:
        return Record(flags=self.flags)

    @property
    def title(self) -> str:
        if not self.flags:
            return "go on in a child, which is in the joined pid namespace"
        return f"go on in a child in new namespaces {flags_text(self.flags)}"


@frozen
class Barrier(Op):
    """Wait until the host side has done its steps.

    Attributes:
        early: the host has done them already and says so in advance, so that
            nobody waits; the helper's word then only tells that all went well.
    """

    KIND = 4
    MAN = "unix(7)"
    early: bool = False

    def record(self) -> Record:
        return Record()

    @property
    def title(self) -> str:
        if self.early:
            return "tell the host that the program is next"
        return "wait for the host"


@frozen
class BecomeRoot(Op):
    """Become user 0 of the new user namespace."""

    KIND = 5
    MAN = "setresuid(2)"
    keep_groups: bool

    def record(self) -> Record:
        return Record(flags=int(self.keep_groups))

    @property
    def title(self) -> str:
        return "become user 0 of the user namespace"


@frozen
class SetPropagation(Op):
    """Cut every mount off from the host's."""

    KIND = 6
    MAN = "mount(2)"
    flags: int

    def record(self) -> Record:
        return Record(flags=self.flags)

    @property
    def title(self) -> str:
        return "make '/' private, recursive"


@frozen
class CloneTree(Op):
    """Clone the mount tree at *host_path*, the inode that *slot* holds."""

    KIND = 7
    MAN = "open_tree(2)"
    slot: int
    host_path: str
    attr_set: int
    propagation: int
    recursive: bool

    def record(self) -> Record:
        data = struct.pack("=4Q", self.attr_set, 0, self.propagation, self.recursive)
        return Record(slot=self.slot, text=self.host_path, data=data)

    @property
    def title(self) -> str:
        how = attributes_text(self.attr_set, recursive=self.recursive)
        return f"open the mount tree of {self.host_path!r} ({how})"


@frozen
class MakeFs(Op):
    """Make a new filesystem of *fstype*, mounted nowhere yet."""

    KIND = 8
    MAN = "fsopen(2)"
    slot: int
    fstype: str
    options: tuple[str, ...] = ()
    attributes: int = 0
    purpose: str = ""

    def record(self) -> Record:
        return Record(
            slot=self.slot,
            flags=self.attributes,
            text=self.fstype,
            list=self.options,
        )

    @property
    def title(self) -> str:
        words = [attributes_text(self.attributes), *self.options]
        what = f"make a {self.fstype} filesystem ({', '.join(w for w in words if w)})"
        return f"{what} for {self.purpose}" if self.purpose else what


@frozen
class Scratch(Op):
    """Attach the tmpfs *slot* where the layers of an overlay are put."""

    KIND = 9
    MAN = "move_mount(2)"
    slot: int

    def record(self) -> Record:
        return Record(slot=self.slot)

    @property
    def title(self) -> str:
        return "attach a private tmpfs for the layers"


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
    attr_set: int
    what: str
    recursive: bool = False

    def record(self) -> Record:
        data = struct.pack("=4Q", self.attr_set, 0, 0, self.recursive)
        return Record(slot=self.slot, data=data)

    @property
    def title(self) -> str:
        return f"make {self.what} {attributes_text(self.attr_set, recursive=self.recursive)}"  # noqa: E501


@frozen
class Root(Op):
    """Attach the tree *slot* as the root of the container."""

    KIND = 12
    MAN = "move_mount(2)"
    slot: int
    what: str

    def record(self) -> Record:
        return Record(slot=self.slot)

    @property
    def title(self) -> str:
        return f"attach {self.what} as the container's root"


@frozen
class Attach(Op):
    """Attach the tree *slot* on *path*, inside or beneath the tree *base*."""

    KIND = 13
    MAN = "move_mount(2)"
    slot: int
    path: str
    what: str
    base: int = NONE
    flags: int = 0
    mode: int = 0o755
    base_path: str = ""

    def record(self) -> Record:
        return Record(
            slot=self.slot,
            slot2=self.base,
            text=self.path,
            flags=self.flags,
            mode=self.mode,
        )

    @property
    def title(self) -> str:
        path = f"{self.base_path}/{self.path}" if self.base_path else self.path
        return f"attach {self.what} on {path!r}"


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


@frozen
class Mask(Op):
    """Hide *path*: a directory by an empty tmpfs, a file by the null device."""

    KIND = 17
    MAN = "move_mount(2)"
    path: str
    empty: int
    null: int

    def record(self) -> Record:
        return Record(slot=self.empty, slot2=self.null, text=self.path)

    @property
    def title(self) -> str:
        return f"mask {self.path!r}"


@frozen
class Readonly(Op):
    """Make *path* a read-only mount of itself."""

    KIND = 18
    MAN = "mount_setattr(2)"
    path: str

    def record(self) -> Record:
        return Record(text=self.path)

    @property
    def title(self) -> str:
        return f"make {self.path!r} read-only"


@frozen
class Pivot(Op):
    """Make the container's root the root and let go of the old one."""

    KIND = 19
    MAN = "pivot_root(2)"

    def record(self) -> Record:
        return Record()

    @property
    def title(self) -> str:
        return "pivot_root to the rootfs, detach the old root"


@frozen
class Hostname(Op):
    """Set the host name of the UTS namespace."""

    KIND = 20
    MAN = "sethostname(2)"
    name: str

    def record(self) -> Record:
        return Record(text=self.name)

    @property
    def title(self) -> str:
        return f"set hostname {self.name!r}"


@frozen
class Domainname(Op):
    """Set the NIS domain name of the UTS namespace."""

    KIND = 21
    MAN = "setdomainname(2)"
    name: str

    def record(self) -> Record:
        return Record(text=self.name)

    @property
    def title(self) -> str:
        return f"set domainname {self.name!r}"


@frozen
class Loopback(Op):
    """Bring the loopback interface up."""

    KIND = 22
    MAN = "netdevice(7)"

    def record(self) -> Record:
        return Record()

    @property
    def title(self) -> str:
        return "bring the interface lo up"


@frozen
class WriteProc(Op):
    """Write *value* into the file *path* of the private procfs."""

    KIND = 23
    MAN = "proc(5)"
    slot: int
    path: str
    value: str

    def record(self) -> Record:
        return Record(slot=self.slot, text=self.path, text2=self.value)

    @property
    def title(self) -> str:
        return f"write {self.value!r} to '/proc/{self.path}'"


@frozen
class SetRlimit(Op):
    """Set one resource limit."""

    KIND = 24
    MAN = "setrlimit(2)"
    resource: int
    name: str
    soft: int
    hard: int

    def record(self) -> Record:
        return Record(mode=self.resource, flags=self.soft, arg=self.hard)

    @property
    def title(self) -> str:
        return f"set {self.name} (soft {self.soft}, hard {self.hard})"


@frozen
class Umask(Op):
    """Set the file mode creation mask."""

    KIND = 25
    MAN = "umask(2)"
    mask: int

    def record(self) -> Record:
        return Record(mode=self.mask)

    @property
    def title(self) -> str:
        return f"set umask {self.mask:#o}"


@frozen
class Chdir(Op):
    """Enter the directory *path*, made where it is absent."""

    KIND = 26
    MAN = "chdir(2)"
    path: str

    def record(self) -> Record:
        return Record(text=self.path)

    @property
    def title(self) -> str:
        return f"enter the directory {self.path!r}"


@frozen
class Setsid(Op):
    """Start a new session, without a controlling terminal."""

    KIND = 27
    MAN = "setsid(2)"

    def record(self) -> Record:
        return Record()

    @property
    def title(self) -> str:
        return "start a new session"


@frozen
class Terminal(Op):
    """Make a terminal of the container's own devpts; hand the master over."""

    KIND = 28
    MAN = "pty(7)"
    slot: int
    size: tuple[int, int] | None
    owner: tuple[int, int]
    console_base: int = NONE

    def record(self) -> Record:
        rows, columns = self.size or (0, 0)
        return Record(
            slot=self.slot,
            slot2=self.console_base,
            text="/dev/pts/ptmx",
            flags=int(self.console_base != NONE),
            arg=rows << 32 | columns,
            data=struct.pack("=II", *self.owner),
        )

    @property
    def title(self) -> str:
        return "make a terminal from '/dev/pts/ptmx'"


@frozen
class NoNewPrivs(Op):
    """Let no execve grant privileges from here on."""

    KIND = 29
    MAN = "prctl(2)"

    def record(self) -> Record:
        return Record()

    @property
    def title(self) -> str:
        return "set no_new_privs"


@frozen
class SetIdentity(Op):
    """Become the container's user, with exactly these capabilities."""

    KIND = 30
    MAN = "capabilities(7)"
    uid: int
    gid: int
    groups: tuple[int, ...]
    keep_groups: bool
    bounding: int
    effective: int
    permitted: int
    inheritable: int
    ambient: int

    def record(self) -> Record:
        data = struct.pack(
            "=5Q4I",
            self.bounding,
            self.effective,
            self.permitted,
            self.inheritable,
            self.ambient,
            self.uid,
            self.gid,
            self.keep_groups,
            len(self.groups),
        )
        groups = struct.pack(f"={len(self.groups)}I", *self.groups)
        return Record(data=data + groups)

    @property
    def title(self) -> str:
        groups = ",".join(str(group) for group in self.groups)
        return (
            f"become user {self.uid}:{self.gid} (groups {groups or 'none'}, "
            f"bounding {self.bounding:#x}, effective {self.effective:#x})"
        )


@frozen
class FindProgram(Op):
    """Choose the first executable of *candidates* as the program."""

    KIND = 31
    MAN = "access(2)"
    name: str
    candidates: tuple[str, ...] = field(repr=False)

    def record(self) -> Record:
        return Record(list=self.candidates)

    @property
    def title(self) -> str:
        return f"find the program {self.name!r}"


@frozen
class Gate(Op):
    """Wait at the container's gate until somebody calls ``start``."""

    KIND = 32
    MAN = "accept(2)"
    slot: int

    def record(self) -> Record:
        return Record(slot=self.slot)

    @property
    def title(self) -> str:
        return "wait at the gate for start"


@frozen
class Exec(Op):
    """Execute the program; *fds* are the only descriptors that live on."""

    KIND = 33
    MAN = "execve(2)"
    args: tuple[str, ...]
    env: tuple[str, ...] = field(repr=False)
    fds: tuple[tuple[int, int], ...] = ()

    def record(self) -> Record:
        flat = [number for pair in self.fds for number in pair]
        return Record(
            list=self.args, list2=self.env, data=struct.pack(f"={len(flat)}i", *flat)
        )

    @property
    def title(self) -> str:
        return f"execute {self.args[0]!r}"


def _owner(owner: tuple[int, int]) -> int:
    uid, gid = owner
    return uid << 32 | gid
