# SPDX-License-Identifier: Apache-2.0
"""Drives the static helper directly, with a packer of its own.

The packer knows the layout of ``plan_abi.h`` only, not the library's wire module, so
a mistake there cannot hide here. Names of kinds and flags are read from the header.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import socket
import struct
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

NATIVE = Path(__file__).resolve().parents[2] / "src" / "libcontainer" / "native"
HEADER = struct.Struct("=IIIIIIIIIIiI")
OP = struct.Struct("=HHIiiQQIIII")
MESSAGE = struct.Struct("=IIiI")
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE

NEWNS, NEWUTS, NEWIPC = 0x00020000, 0x04000000, 0x08000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_PRIVATE = 1 << 18
ALL_CAPS = (1 << 64) - 1


def abi_names() -> dict[str, int]:
    """Return the enumerators of ``plan_abi.h``."""
    header = (NATIVE / "plan_abi.h").read_text()
    text = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    return {
        name: int(value, 0)
        for name, value in re.findall(r"\b(LC_\w+) = (0x\w+|\d+)", text)
    }


ABI = abi_names()


@dataclass
class Op:
    """One operation; every field as in ``struct lc_op`` but offsets still bytes.

    The strings are text, text2, list, list2, as far as they are there.
    """

    kind: int
    step: int = 0
    mode: int = 0
    slot: int = -1
    slot2: int = -1
    flags: int = 0
    arg: int = 0
    text: bytes | None = None
    text2: bytes | None = None
    list: Sequence[bytes] = ()
    list2: Sequence[bytes] = ()
    data: bytes = b""


@dataclass(frozen=True)
class Slot:
    """An argument of a CALL that is the fd in a slot."""

    number: int


@dataclass
class Plan:
    """A plan under construction; slot 0 is always the control socket."""

    ops: list[Op] = field(default_factory=list)
    slots: list[int] = field(default_factory=lambda: [-1])
    deadline_ms: int = 10_000
    fault_step: int = 0
    fault: int = 0

    def slot(self, fd: int = -1) -> int:
        """Add a slot and return its index."""
        self.slots.append(fd)
        return len(self.slots) - 1

    def add(self, kind: str, **fields: object) -> Op:
        """Add an operation; its step is its place, from 1."""
        op = Op(ABI["LC_OP_" + kind], step=len(self.ops) + 1, **fields)  # type: ignore[arg-type]
        self.ops.append(op)
        return op

    def call(
        self, name: str, *args: int | bytes | Slot, result: int = -1, each: int = 0
    ) -> Op:
        """Add a CALL; of bytes the kernel gets the address, of a `Slot` its fd."""
        numbers, memory, flags = [], b"", 0
        for index, value in enumerate(args):
            if isinstance(value, Slot):
                flags |= 1 << 8 + index
                numbers.append(value.number)
            elif isinstance(value, bytes):
                flags |= 1 << index
                numbers.append(48 + len(memory))
                memory += value + b"\0" * (-len(value) % 8)
            else:
                numbers.append(value % 2**64)
        data = call(*numbers, memory=memory)
        mode = ABI["LC_CALL_" + name.upper()]
        return self.add(
            "CALL", mode=mode, flags=flags, slot=result, arg=each, data=data
        )

    def make_fs(
        self, slot: int, fstype: bytes, options: Iterable[bytes] = (), flags: int = 0
    ) -> None:
        """Add the calls that make a filesystem, mounted detached in a slot."""
        self.call("FSOPEN", fstype + b"\0", 1, result=slot)
        for option in options:
            key, has_value, value = option.partition(b"=")
            given = value + b"\0" if has_value else 0
            self.call("FSCONFIG", Slot(slot), int(bool(has_value)), key + b"\0", given)
        self.call("FSCONFIG", Slot(slot), 6)
        self.call("FSMOUNT", Slot(slot), 1, flags, result=slot)

    def pack(self) -> bytearray:
        """Return the plan as the helper reads it."""
        slots_at = HEADER.size
        ops_at = (slots_at + 4 * len(self.slots) + 7) // 8 * 8
        bytes_at = ops_at + OP.size * len(self.ops)
        blob = bytearray()

        def put(data: bytes) -> int:
            if not data:
                return 0
            blob.extend(b"\0" * (-(bytes_at + len(blob)) % 8))
            blob.extend(data)
            return bytes_at + len(blob) - len(data)

        def strings(values: Iterable[bytes]) -> int:
            return put(b"".join(value + b"\0" for value in values))

        packed = bytearray()
        for op in self.ops:
            named = [text for text in (op.text, op.text2) if text is not None]
            texts = [*named, *op.list, *op.list2]
            packed += OP.pack(
                op.kind,
                op.step,
                op.mode or (len(op.list) if op.kind == ABI["LC_OP_EXEC"] else 0),
                op.slot,
                op.slot2,
                op.flags,
                op.arg,
                strings(texts),
                len(texts),
                put(op.data),
                len(op.data),
            )
        slots = struct.pack(f"={len(self.slots)}i", *self.slots)
        slots += b"\0" * (ops_at - slots_at - len(slots))
        head = HEADER.pack(
            ABI["LC_MAGIC"],
            ABI["LC_ABI"],
            bytes_at + len(blob),
            len(self.slots),
            len(self.ops),
            slots_at,
            ops_at,
            self.deadline_ms,
            0,
            self.fault_step,
            self.fault,
            0,
        )
        return bytearray(head + slots + packed + blob)


def call(*numbers: int, memory: bytes = b"") -> bytes:
    """Return a ``struct lc_arguments`` and what its pointers point to."""
    return struct.pack("=6Q", *numbers, *[0] * (6 - len(numbers))) + memory


def hostname(name: bytes) -> dict[str, Any]:
    """Return the fields of a CALL of sethostname(2)."""
    data = call(48, len(name), memory=name)
    return {"mode": ABI["LC_CALL_SETHOSTNAME"], "flags": 1, "data": data}


def identity(
    uid: int = 0, gid: int = 0, groups: Sequence[int] = (), **sets: int
) -> bytes:
    """Return a ``struct lc_identity``; capability sets not named are empty."""
    names = "bounding", "effective", "permitted", "inheritable", "ambient"
    values = [sets.pop(name, 0) for name in names]
    keep = sets.pop("keep_groups", 0)
    assert not sets
    head = struct.pack("=5Q4I", *values, uid, gid, keep, len(groups))
    return head + struct.pack(f"={len(groups)}I", *groups)


def fds(*pairs: tuple[int, int]) -> bytes:
    """Return the ``struct lc_fd`` list of EXEC from (slot, target) pairs."""
    return b"".join(struct.pack("=ii", *pair) for pair in pairs)


@dataclass(frozen=True)
class Message:
    """What the helper sent; ``fd`` belongs to whoever received it."""

    kind: int
    step: int
    error: int
    where: int
    fd: int = -1

    @property
    def name(self) -> str:
        """The kind as plan_abi.h calls it, without the prefix."""
        names = "CLONED", "AT_BARRIER", "FAILED", "TERMINAL_FD"
        return {ABI["LC_" + name]: name for name in names}[self.kind]


def failure(step: int, error: int, where: str) -> Message:
    """Return the failure message expected from a step."""
    return Message(ABI["LC_FAILED"], step, error, ABI["LC_WHERE_" + where])


def receive(control: socket.socket) -> Message | None:
    """Return the next message, or None when the helper's side is closed."""
    data, rights, _, _ = socket.recv_fds(control, MESSAGE.size + 1, 4)
    if not data:
        return None
    assert len(data) == MESSAGE.size
    return Message(*MESSAGE.unpack(data), *rights)


def send_go(control: socket.socket) -> None:
    """Let a waiting helper go on."""
    control.send(MESSAGE.pack(ABI["LC_GO"], 0, 0, 0))


class Run:
    """A helper at work. Ends it, and the process it cloned, on leaving."""

    def __init__(
        self,
        binary: Path,
        plan: Plan | bytes,
        extra_fds: Sequence[int] = (),
        user: int | None = None,
    ) -> None:
        self.control, inner = socket.socketpair(
            socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC
        )
        self.control.settimeout(20)
        passed = [inner.fileno(), *extra_fds]
        if isinstance(plan, Plan):
            plan.slots[0] = inner.fileno()
            passed += [fd for fd in plan.slots if fd > 2]
            plan = bytes(plan.pack())
        memfd = os.memfd_create("plan", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.write(memfd, plan)
        fcntl.fcntl(memfd, fcntl.F_ADD_SEALS, SEALS)
        self.process = subprocess.Popen(
            [binary, str(memfd)],
            pass_fds=[*passed, memfd],
            stdin=subprocess.DEVNULL,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            env={"LANG": "C", "SECRET": "not for the container"},
        )
        os.close(memfd)
        inner.close()
        self.pidfd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.control.close()
        self.process.kill()
        self.process.wait()
        if self.pidfd >= 0:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
            os.close(self.pidfd)

    def receive(self) -> Message | None:
        """Return the next message; the clone's pidfd is kept for clean-up.

        Both sides of a clone tell of it: the second time is left out.
        """
        message = receive(self.control)
        if message is not None and message.name == "CLONED":
            if self.pidfd >= 0:
                os.close(message.fd)
                return self.receive()
            self.pidfd = message.fd
        return message

    def go(self) -> None:
        """Let the helper pass its barrier."""
        send_go(self.control)

    def messages(self) -> list[Message]:
        """Return what comes until the helper closes its side, clones left out."""
        found = iter(self.receive, None)
        return [message for message in found if message.name != "CLONED"]

    def wait(self) -> int:
        """Return the exit status as subprocess does, of the clone if there is one."""
        if self.pidfd < 0:
            return self.process.wait(20)
        assert self.process.wait(20) == 0
        result = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
        assert result is not None
        os.close(self.pidfd)
        self.pidfd = -1
        exited = result.si_code == os.CLD_EXITED
        return result.si_status if exited else -result.si_status
