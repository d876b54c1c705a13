# SPDX-License-Identifier: Apache-2.0
"""Operations on namespaces, and on what they hold besides mounts."""

from __future__ import annotations

import os
import struct

from attrs import frozen

from libcontainer.plan.describe import flags_text
from libcontainer.plan.ops.base import Op
from libcontainer.plan.ops.call import SlotRef, call
from libcontainer.plan.record import NONE, Record

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
PR_SET_DUMPABLE = 4

_AF_INET = 2
_DATAGRAM = 2 | os.O_CLOEXEC
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1


@frozen
class Setns(Op):
    """Join the namespaces *flags* of the process or namespace in *slot*."""

    MAN = "setns(2)"
    slot: int
    flags: int
    of: str

    def record(self) -> Record:
        return call("setns", SlotRef(self.slot), self.flags)

    @property
    def title(self) -> str:
        return f"join the namespaces {flags_text(self.flags)} of {self.of}"


@frozen
class Unshare(Op):
    """Leave the namespaces *flags* for new ones."""

    MAN = "unshare(2)"
    flags: int

    def records(self) -> tuple[Record, ...]:
        return (call("unshare", self.flags), *_let_map(self.flags))

    @property
    def title(self) -> str:
        return f"enter new namespaces {flags_text(self.flags)}"


@frozen
class Clone(Op):
    """Go on in a child that enters the new namespaces *flags*.

    Attributes:
        cgroup: slot of the v2 cgroup that the child begins in, or `NONE`.
    """

    KIND = 1
    MAN = "clone(2)"
    flags: int
    cgroup: int = NONE

    def records(self) -> tuple[Record, ...]:
        clone = Record(kind=self.KIND, flags=self.flags, slot=self.cgroup)
        return (clone, *_let_map(self.flags))

    @property
    def title(self) -> str:
        if self.cgroup != NONE:
            names = flags_text(self.flags)
            return f"go on in a child in the cgroup, in new namespaces {names}"
        if not self.flags:
            return "go on in a child, which is in the joined pid namespace"
        return f"go on in a child in new namespaces {flags_text(self.flags)}"


@frozen
class BecomeRoot(Op):
    """Become user 0 of the new user namespace."""

    MAN = "setresuid(2)"
    keep_groups: bool

    def records(self) -> tuple[Record, ...]:
        groups = () if self.keep_groups else (call("setgroups"),)
        ids = (call("setresgid"), call("setresuid"))
        return (*groups, *ids, call("prctl", PR_SET_DUMPABLE, 0))

    @property
    def title(self) -> str:
        return "become user 0 of the user namespace"


@frozen
class Loopback(Op):
    """Bring the loopback interface up, by a socket in *slot*.

    In a namespace so new that nobody has set any other flag that can be set.
    """

    MAN = "netdevice(7)"
    slot: int

    def records(self) -> tuple[Record, ...]:
        request = b"lo".ljust(16, b"\0") + struct.pack("=h22x", _IFF_UP)
        return (
            call("socket", _AF_INET, _DATAGRAM, result=self.slot),
            call("ioctl", SlotRef(self.slot), _SIOCSIFFLAGS, request),
        )

    @property
    def title(self) -> str:
        return "bring the interface lo up"


@frozen
class OpenProc(Op):
    """Open the file *path* of a procfs that is not the image's, to read it.

    Attributes:
        result: slot of the open file.
        last: whether the procfs is let go of afterwards.
    """

    KIND = 25
    MAN = "proc(5)"
    slot: int
    path: str
    result: int
    last: bool = False

    def record(self) -> Record:
        return Record(
            slot=self.slot,
            slot2=self.result,
            flags=int(self.last),
            strings=(self.path,),
        )

    @property
    def title(self) -> str:
        return f"open '/proc/{self.path}'"


@frozen
class WriteProc(Op):
    """Write *value* into the file *path* of a procfs that is not the image's.

    Attributes:
        last: whether the procfs is let go of afterwards.
    """

    KIND = 12
    MAN = "proc(5)"
    slot: int
    path: str
    value: str
    last: bool = False

    def record(self) -> Record:
        return Record(
            slot=self.slot, flags=int(self.last), strings=(self.path, self.value)
        )

    @property
    def title(self) -> str:
        return f"write {self.value!r} to '/proc/{self.path}'"


def _let_map(flags: int) -> tuple[Record, ...]:
    """Let a caller without privilege write the id maps of a new user namespace.

    They are files of /proc/PID, which belong to the host's root as long as the process
    is not dumpable. Until `BecomeRoot`, which ends it (R9), nobody but that same user
    could attach to it.
    """
    return (call("prctl", PR_SET_DUMPABLE, 1),) if flags & CLONE_NEWUSER else ()
