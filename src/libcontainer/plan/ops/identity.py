# SPDX-License-Identifier: Apache-2.0
"""The operation that makes a process the container's user."""

from __future__ import annotations

import struct

from attrs import evolve, frozen

from libcontainer.plan.ops.base import Op
from libcontainer.plan.ops.call import call
from libcontainer.plan.record import Record

_PR_SET_DUMPABLE = 4
_PR_SET_KEEPCAPS = 8
_PR_CAPBSET_DROP = 24
_PR_SET_SECUREBITS = 28
_PR_CAP_AMBIENT = 47
_RAISE, _CLEAR_ALL = 2, 4
_CAPABILITY_VERSION = 0x20080522
_ALL = 2**64 - 1


@frozen
class VerifyIdentity(Op):
    """Refuse a process that is not exactly this user with these capabilities.

    Attributes:
        status: slot of ``/proc/self/status``, where the kernel says what it is.
        no_new_privs: whether they are to be seen given up there.
    """

    KIND = 18
    MAN = "proc(5)"
    status: int
    uid: int
    gid: int
    groups: tuple[int, ...]
    keep_groups: bool
    bounding: int
    effective: int
    permitted: int
    inheritable: int
    ambient: int
    no_new_privs: bool = False

    def record(self) -> Record:
        data = struct.pack(
            f"=5Q4I{len(self.groups)}I",
            self.bounding,
            self.effective,
            self.permitted,
            self.inheritable,
            self.ambient,
            self.uid,
            self.gid,
            self.keep_groups,
            len(self.groups),
            *self.groups,
        )
        return Record(slot=self.status, flags=int(self.no_new_privs), data=data)

    @property
    def title(self) -> str:
        return f"verify the user {self.uid}:{self.gid}"


@frozen
class SetIdentity(VerifyIdentity):
    """Become the container's user, with exactly these capabilities (R10)."""

    KIND = 0
    MAN = "capabilities(7)"

    def records(self) -> tuple[Record, ...]:
        return (
            call("prctl", _PR_CAPBSET_DROP, each=_ALL & ~self.bounding),
            call("prctl", _PR_SET_SECUREBITS, 0),
            *self._ids(),
            # A change of ids resets it to /proc/sys/fs/suid_dumpable (R9).
            call("prctl", _PR_SET_DUMPABLE, 0),
            *self._capabilities(),
            evolve(self.record(), kind=VerifyIdentity.KIND),
        )

    def _ids(self) -> tuple[Record, ...]:
        groups = self._groups()
        uid, gid = self.uid, self.gid
        ids = (
            *(() if self.keep_groups else (call("setgroups", *groups),)),
            call("setresgid", gid, gid, gid),
            call("setresuid", uid, uid, uid),
        )
        if uid == 0:
            return ids
        # Leaving uid 0 empties the permitted set, of which a part may be wanted.
        keep, reset = (call("prctl", _PR_SET_KEEPCAPS, value) for value in (1, 0))
        return (keep, *ids, reset)

    def _groups(self) -> tuple[int | bytes, ...]:
        count = len(self.groups)
        return (count, struct.pack(f"={count}I", *self.groups)) if count else ()

    def _capabilities(self) -> tuple[Record, ...]:
        sets = self.effective, self.permitted, self.inheritable
        halves = (value >> shift & 2**32 - 1 for shift in (0, 32) for value in sets)
        header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
        whole = call("capset", header, struct.pack("=6I", *halves))
        if self.inheritable == 0:
            # The kernel has emptied the ambient set by itself.
            return (whole,)
        raised = (
            call("prctl", _PR_CAP_AMBIENT, _RAISE, number)
            for number in range(64)
            if self.ambient >> number & 1
        )
        return (whole, call("prctl", _PR_CAP_AMBIENT, _CLEAR_ALL), *raised)

    @property
    def title(self) -> str:
        groups = ",".join(str(group) for group in self.groups)
        return (
            f"become user {self.uid}:{self.gid} (groups {groups or 'none'}, "
            f"bounding {self.bounding:#x}, effective {self.effective:#x})"
        )
