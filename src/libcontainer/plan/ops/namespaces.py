# SPDX-License-Identifier: Apache-2.0
"""Operations on namespaces, and on what they hold besides mounts."""

from __future__ import annotations

from attrs import frozen

from libcontainer.plan.describe import flags_text
from libcontainer.plan.ops.base import Op
from libcontainer.plan.record import NONE, Record

CLONE_NEWNS = 0x00020000


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
    """Go on in a child that enters the new namespaces *flags*.

    Attributes:
        cgroup: slot of the v2 cgroup that the child begins in, or `NONE`.
    """

    KIND = 3
    MAN = "clone(2)"
    flags: int
    cgroup: int = NONE

    def record(self) -> Record:
        return Record(flags=self.flags, slot=self.cgroup)

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

    KIND = 5
    MAN = "setresuid(2)"
    keep_groups: bool

    def record(self) -> Record:
        return Record(flags=int(self.keep_groups))

    @property
    def title(self) -> str:
        return "become user 0 of the user namespace"


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
class OpenProc(Op):
    """Open the file *path* of a procfs that is not the image's, to read it.

    Attributes:
        result: slot of the open file.
        last: whether the procfs is let go of afterwards.
    """

    KIND = 37
    MAN = "proc(5)"
    slot: int
    path: str
    result: int
    last: bool = False

    def record(self) -> Record:
        return Record(
            slot=self.slot, slot2=self.result, flags=int(self.last), text=self.path
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

    KIND = 23
    MAN = "proc(5)"
    slot: int
    path: str
    value: str
    last: bool = False

    def record(self) -> Record:
        return Record(
            slot=self.slot, flags=int(self.last), text=self.path, text2=self.value
        )

    @property
    def title(self) -> str:
        return f"write {self.value!r} to '/proc/{self.path}'"
