# SPDX-License-Identifier: Apache-2.0
"""One plain system call of a closed list."""

from __future__ import annotations

import os
import struct

from attrs import frozen

from libcontainer.plan.ops.base import Op
from libcontainer.plan.record import NONE, Record

CALLS = {
    "setsid": 1,
    "sethostname": 2,
    "setdomainname": 3,
    "prctl": 4,
    "personality": 5,
    "sched_setattr": 6,
    "sched_setaffinity": 7,
    "ioprio_set": 8,
    "set_mempolicy": 9,
    "keyctl": 10,
    "write": 11,
    "landlock_create_ruleset": 12,
    "landlock_add_rule": 13,
    "landlock_restrict_self": 14,
    "fchdir": 15,
    "mount": 16,
    "umount2": 17,
    "chroot": 18,
    "chdir": 19,
    "bind": 20,
    "socket": 21,
    "open_tree": 22,
    "move_mount": 23,
    "mount_setattr": 24,
    "mkdirat": 25,
    "mknodat": 26,
    "symlinkat": 27,
    "fchownat": 28,
    "openat2": 29,
    "setns": 30,
    "unshare": 31,
    "setgroups": 32,
    "setresuid": 33,
    "setresgid": 34,
    "ioctl": 35,
    "capset": 36,
    "fsopen": 37,
    "fsconfig": 38,
    "fsmount": 39,
    "prlimit64": 40,
    "setitimer": 41,
}
"""Number of each system call that `Call` can make: ``enum lc_call``."""

_ARGUMENTS = 6
_SLOTS = 8
_WHERE = 8


@frozen
class SlotRef:
    """An argument that is the fd in a slot."""

    slot: int


Argument = int | bytes | SlotRef
KIND = 10


def call(
    name: str, *args: Argument, result: int = NONE, each: int = 0, where: int = 0
) -> Record:
    """Return the record of one system call.

    Args:
        name: its name (`CALLS`).
        args: numbers; `bytes`, of which the kernel gets the address; or the fd in
            a slot. What is not given is 0.
        result: slot that gets the fd which the call returns.
        each: capabilities as bits; it is made for each of them, with its number as
            second argument, up to the last that the kernel knows.
        where: the part of the step that fails with it (``enum lc_where``).
    """
    numbers, memory, flags = [], b"", 0
    uses = tuple(value.slot for value in args if isinstance(value, SlotRef))
    for index, value in enumerate(args):
        if isinstance(value, SlotRef):
            flags |= 1 << _SLOTS + index
            numbers.append(value.slot)
        elif isinstance(value, bytes):
            flags |= 1 << index
            memory = memory.ljust(-(-len(memory) // 8) * 8, b"\0")
            numbers.append(_ARGUMENTS * 8 + len(memory))
            memory += value
        else:
            numbers.append(value % 2**64)
    numbers += [0] * (_ARGUMENTS - len(numbers))
    data = struct.pack("=6Q", *numbers) + memory
    mode = where << _WHERE | CALLS[name]
    return Record(
        kind=KIND,
        slot=result,
        mode=mode,
        flags=flags,
        arg=each,
        data=data,
        uses=uses,
    )


def text(value: str) -> bytes:
    """Return a string as an argument."""
    return os.fsencode(value) + b"\0"


@frozen
class Call(Op):
    """Make one system call with nothing but the given arguments.

    Attributes:
        call: its name, the stem of the man page (`CALLS`).
        args: numbers; `bytes`, of which the kernel gets the address; or the
            fd in a slot. What is not given is 0.
        what: what it does, for people: ``verb object (flags)``.
        result: slot that gets the fd which the call returns.
    """

    KIND = KIND
    MAN = "syscalls(2)"
    call: str
    args: tuple[Argument, ...]
    what: str
    result: int = NONE

    def record(self) -> Record:
        return call(self.call, *self.args, result=self.result)

    @property
    def man(self) -> str:
        return f"{self.call}(2)"

    @property
    def title(self) -> str:
        return self.what
