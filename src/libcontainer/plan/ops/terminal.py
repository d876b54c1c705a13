# SPDX-License-Identifier: Apache-2.0
"""Device nodes that are what they seem, and the terminal that comes from one."""

from __future__ import annotations

import os
import struct

from attrs import evolve, frozen

from libcontainer.plan.ops.attach import AT_FDCWD, MAKE_FILE, Attach
from libcontainer.plan.ops.base import Op
from libcontainer.plan.ops.call import SlotRef, call, text
from libcontainer.plan.record import NONE, Record

_PTMX = (5, 2)
_DEVPTS = 0x1CD1
_OPEN = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
_NO_MAGICLINKS = 2
_AT_EMPTY_PATH = 0x1000
_OPEN_TREE_CLONE = 1
_TIOCSPTLCK = 0x40045431
_TIOCSWINSZ = 0x5414
_TIOCGPTPEER = 0x5441
_TIOCSCTTY = 0x540E


@frozen
class VerifyNode(Op):
    """Refuse *slot* where it is not the character device that it should be.

    Attributes:
        filesystem: magic number of the filesystem that it is in; 0 is any.
    """

    KIND = 17
    MAN = "statx(2)"
    slot: int
    device: tuple[int, int]
    filesystem: int = 0

    def record(self) -> Record:
        major, minor = self.device
        return Record(slot=self.slot, flags=major << 32 | minor, arg=self.filesystem)

    @property
    def title(self) -> str:
        major, minor = self.device
        return f"verify the device {major}:{minor}"


@frozen
class Tell(Op):
    """Hand the terminal's master in *slot* over, and let go of it."""

    KIND = 26
    MAN = "unix(7)"
    slot: int

    def record(self) -> Record:
        return Record(slot=self.slot)

    @property
    def title(self) -> str:
        return "hand the terminal over"


@frozen
class Terminal(Op):
    """Make a terminal of the container's own devpts; hand the master over (R21).

    Attributes:
        slot: slot of its slave.
        master: slot of its master, until that is handed over.
        size: rows and columns, or None.
        owner: who gets it; a group of 2**32 - 1 leaves that.
        console_base: slot of the /dev in which it becomes ``console``, or `NONE`.
        console: slot of the mount of that.
        session: whether this process gets a session with it; else its child does.
    """

    MAN = "pty(7)"
    slot: int
    master: int
    size: tuple[int, int] | None
    owner: tuple[int, int]
    console_base: int = NONE
    console: int = NONE
    session: bool = True

    def records(self) -> tuple[Record, ...]:
        how = struct.pack("=3Q", _OPEN, 0, _NO_MAGICLINKS)
        master, slave = SlotRef(self.master), SlotRef(self.slot)
        verify = VerifyNode(self.master, _PTMX, _DEVPTS).record()
        place = (AT_FDCWD, text("/dev/pts/ptmx"), how, len(how))
        uid, gid = self.owner
        return (
            call("openat2", *place, result=self.master),
            evolve(verify, kind=VerifyNode.KIND),
            call("ioctl", master, _TIOCSPTLCK, struct.pack("=i", 0)),
            *self._resized(master),
            # The slave of this very master; /dev/pts/N could be another's
            # (CVE-2025-52565).
            call("ioctl", master, _TIOCGPTPEER, _OPEN, result=self.slot),
            call("fchownat", slave, b"\0", uid, gid, _AT_EMPTY_PATH),
            *self._bound(slave),
            *self._controlling(slave),
            evolve(Tell(self.master).record(), kind=Tell.KIND),
        )

    def _resized(self, master: SlotRef) -> tuple[Record, ...]:
        if self.size is None:
            return ()
        size = struct.pack("=4H", *self.size, 0, 0)
        return (call("ioctl", master, _TIOCSWINSZ, size),)

    def _bound(self, slave: SlotRef) -> tuple[Record, ...]:
        if self.console_base == NONE:
            return ()
        how = _OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_EMPTY_PATH
        bind = Attach(self.console, "console", "", self.console_base, MAKE_FILE, 0o600)
        return (
            call("open_tree", slave, b"\0", how, result=self.console),
            evolve(bind.record(), kind=Attach.KIND),
        )

    def _controlling(self, slave: SlotRef) -> tuple[Record, ...]:
        # Only a session leader can have a controlling terminal.
        if not self.session:
            return ()
        return (call("setsid"), call("ioctl", slave, _TIOCSCTTY, 0))

    @property
    def title(self) -> str:
        return "make a terminal from '/dev/pts/ptmx'"
