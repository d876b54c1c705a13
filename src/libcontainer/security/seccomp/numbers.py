# SPDX-License-Identifier: Apache-2.0
"""System calls by name and architecture."""

from __future__ import annotations

import functools
from typing import Final

from attrs import frozen

from libcontainer.security.seccomp.table import TABLE

X32_BIT: Final = 0x40000000
ARM_PRIVATE: Final = 0xF0000
"""Where arm has calls of its own, far above all others."""


@frozen
class Abi:
    """One way into the kernel.

    Attributes:
        name: the spec's name without ``SCMP_ARCH_``.
        audit: what the kernel calls it in ``struct seccomp_data``.
        low: its first number.
        high: its last.
        wide: whether arguments have 64 bits. Of those of x32 only the low half is
            compared, as libseccomp does it.
    """

    name: str
    audit: int
    low: int = 0
    high: int = 0xFFFFFFFF
    wide: bool = False


_X86_64: Final = Abi("X86_64", 0xC000003E, 0, X32_BIT - 1, wide=True)
_X32: Final = Abi("X32", 0xC000003E, X32_BIT)
_X86: Final = Abi("X86", 0x40000003)
_AARCH64: Final = Abi("AARCH64", 0xC00000B7, wide=True)
_ARM: Final = Abi("ARM", 0x40000028)

_COLUMNS: Final = (_X86_64, _X86, _X32, _AARCH64, _ARM)

MACHINES: Final = {"x86_64": (_X86_64, _X32, _X86), "aarch64": (_AARCH64, _ARM)}
"""The ABIs of a machine (uname(2)), its own first."""

_SOCKET_CALLS: Final = (
    "socket bind connect listen accept getsockname getpeername socketpair send recv"
    " sendto recvfrom shutdown setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg"
    " sendmmsg"
)
_IPC_CALLS: Final = {
    "semop": 1,
    "semget": 2,
    "semctl": 3,
    "semtimedop": 4,
    "msgsnd": 11,
    "msgrcv": 12,
    "msgget": 13,
    "msgctl": 14,
    "shmat": 21,
    "shmdt": 22,
    "shmget": 23,
    "shmctl": 24,
}
_SOCKETCALL: Final = 102
_IPC: Final = 117

MULTIPLEXED: Final = {
    **{name: (_SOCKETCALL, n) for n, name in enumerate(_SOCKET_CALLS.split(), start=1)},
    **{name: (_IPC, number) for name, number in _IPC_CALLS.items()},
}
"""Calls that x86 can make through socketcall(2) and ipc(2) too: its number, and the
first argument that stands for them."""


@functools.cache
def numbers(abi: str) -> dict[str, int]:
    """Return the number of every call of an ABI."""
    column = [known.name for known in _COLUMNS].index(abi) + 1
    bit = X32_BIT if abi == "X32" else 0
    rows = (line.split() for line in TABLE.splitlines())
    return {row[0]: int(row[column]) | bit for row in rows if row[column] != "-"}


@functools.cache
def _names(abi: str) -> dict[int, str]:
    return {number: name for name, number in numbers(abi).items()}


def call_name(audit: int, number: int) -> str | None:
    """Return the name of a call as the kernel reports it, or None."""
    for abi in _COLUMNS:
        if abi.audit == audit and abi.low <= number <= abi.high:
            return _names(abi.name).get(number)
    return None


@functools.cache
def known_names() -> frozenset[str]:
    """Return the name of every call of every architecture that has a table."""
    return frozenset(line.partition(" ")[0] for line in TABLE.splitlines())
