# SPDX-License-Identifier: Apache-2.0
"""Plan to bytes: the one place that knows how ``plan_abi.h`` is laid out."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence

from attrs import evolve

from libcontainer.plan.ops import LetGo, Op
from libcontainer.plan.record import Record
from libcontainer.plan.steps import CONTROL_SLOT, Plan

ABI = 1
MAGIC = 0x4C435031
MAX_SIZE = 16 * 1024 * 1024

_HEADER = struct.Struct("=10IiI")
_OP = struct.Struct("=HHIiiQQ4I")
_MESSAGE = struct.Struct("=IIiI")
_WATCH = struct.Struct("=IiQ5i3I")

CLONED = 1
AT_BARRIER = 2
FAILED = 3
TERMINAL_FD = 4
LISTENER_FD = 5
GO = 16

WHERE = (
    "",
    "read the plan",
    "resolve the path",
    "create the target",
    "clone the mount tree",
    "configure the filesystem",
    "attach the mount",
    "set the attributes",
    "verify the result",
    "place the file descriptors",
    "execute",
    "exit status",
    "signal",
    "time limit",
)
"""The part of a step that failed, by ``enum lc_where``."""

WHERE_VERIFY = 8
WHERE_EXECVE = 10
WHERE_EXIT = 11
WHERE_SIGNAL = 12
WHERE_TIMEOUT = 13

HOOK_BITS = 8
"""Above these a part has the number of the hook in which it failed, from 1."""


class _Blob:
    """The tail of a plan: strings, lists and structs, each placed once."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.bytes = bytearray()

    def place(self, data: bytes, align: int = 1) -> int:
        self.bytes += b"\0" * (-(self.start + len(self.bytes)) % align)
        offset = self.start + len(self.bytes)
        self.bytes += data
        return offset

    def strings(self, values: Sequence[str]) -> int:
        joined = b"".join(os.fsencode(value) + b"\0" for value in values)
        return self.place(joined) if joined else 0

    def data(self, data: bytes) -> int:
        return self.place(data, align=8) if data else 0


class Image:
    """A plan as bytes, all but the numbers that differ from launch to launch.

    Encoding is most of what planning costs, so an image is made once and used
    for every launch of the same plan.

    Raises:
        OverflowError: the plan is larger than 16 MiB.
    """

    def __init__(self, plan: Plan) -> None:
        records = [
            (record.kind or step.action.KIND, step.index, record)
            for step in plan.steps
            if isinstance(step.action, Op)
            for record in step.action.records()
        ]
        _say_what_is_kept(records)
        self._count = len(plan.slots)
        self._ops = len(records)
        table = self._count * 4
        self._ops_offset = _HEADER.size + table + (-table % 8)
        blob = _Blob(self._ops_offset + len(records) * _OP.size)
        encoded = [_encode(*item, blob) for item in records]
        self._tail = b"".join(encoded) + bytes(blob.bytes)
        self._size = self._ops_offset + len(self._tail)
        if self._size > MAX_SIZE:
            message = f"plan of {self._size} bytes is larger than {MAX_SIZE}"
            raise OverflowError(message)

    def fill(
        self,
        slots: Sequence[int],
        *,
        deadline_ms: int = 0,
        fault: tuple[int, int] = (0, 0),
    ) -> bytes:
        """Return the bytes the helper reads.

        Args:
            slots: the fd number of each slot, -1 where an operation makes it.
            deadline_ms: the helper ends itself after that long; 0 is never.
            fault: for fault tests, the step to fail at and how (``plan_abi.h``).
        """
        header = _HEADER.pack(
            MAGIC,
            ABI,
            self._size,
            self._count,
            self._ops,
            _HEADER.size,
            self._ops_offset,
            deadline_ms,
            CONTROL_SLOT,
            *fault,
            0,
        )
        table = struct.pack(f"={self._count}i", *slots)
        return (header + table).ljust(self._ops_offset, b"\0") + self._tail


def encode(plan: Plan, slots: Sequence[int]) -> bytes:
    """Return the bytes of a plan that is launched once."""
    return Image(plan).fill(slots)


def _say_what_is_kept(records: list[tuple[int, int, Record]]) -> None:
    """Tell the helper, where it lets go of its slots, which are needed behind that."""
    for place, (kind, step, record) in enumerate(records):
        if kind == LetGo.KIND:
            kept = {slot for *_, later in records[place:] for slot in later.slots}
            data = b"".join(
                struct.pack("=2i", slot, number)
                for number, slot in enumerate(sorted(kept))
            )
            records[place] = (kind, step, evolve(record, data=data))


def _encode(kind: int, step: int, record: Record, blob: _Blob) -> bytes:
    return _OP.pack(
        kind,
        step,
        record.mode,
        record.slot,
        record.slot2,
        record.flags,
        record.arg,
        blob.strings(record.strings),
        len(record.strings),
        blob.data(record.data),
        len(record.data),
    )


def decode_message(data: bytes) -> tuple[int, int, int, int]:
    """Return (kind, step, errno, where) of a message of the helper.

    Raises:
        ValueError: it has not the size of a message.
    """
    if len(data) != _MESSAGE.size:
        message = f"message of {len(data)} bytes, expected {_MESSAGE.size}"
        raise ValueError(message)
    kind, step, error, where = _MESSAGE.unpack(data)
    return kind, step, error, where


def encode_watch(
    host_pid: int,
    max_size: int,
    fds: Sequence[int],
    names: Sequence[str],
    *,
    terminal: bool,
) -> bytes:
    """Return the word that leaves init to its monitor: ``struct lc_watch``.

    Args:
        host_pid: init.
        max_size: bytes after which its log is moved; 0 is never.
        fds: which of the fds that are sent with it is which (``enum lc_watch_fd``).
        names: the log's, and those it is moved to.
        terminal: whether the source is the master of a terminal.
    """
    head = _WATCH.pack(GO, host_pid, max_size, *fds, terminal, len(names), 0)
    return head + b"".join(os.fsencode(name) + b"\0" for name in names)


GO_MESSAGE = _MESSAGE.pack(GO, 0, 0, 0)
MESSAGE_SIZE = _MESSAGE.size
