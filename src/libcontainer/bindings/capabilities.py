# SPDX-License-Identifier: Apache-2.0
"""capabilities(7), capget(2), capset(2): the capabilities of a thread.

A set is an integer with bit ``1 << CAP_…`` for each capability in it.
"""

from __future__ import annotations

from typing import NamedTuple

from libcontainer.bindings._lib import check, ffi, lib

CAP_CHOWN = 0
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAP_FOWNER = 3
CAP_FSETID = 4
CAP_KILL = 5
CAP_SETGID = 6
CAP_SETUID = 7
CAP_SETPCAP = 8
CAP_LINUX_IMMUTABLE = 9
CAP_NET_BIND_SERVICE = 10
CAP_NET_BROADCAST = 11
CAP_NET_ADMIN = 12
CAP_NET_RAW = 13
CAP_IPC_LOCK = 14
CAP_IPC_OWNER = 15
CAP_SYS_MODULE = 16
CAP_SYS_RAWIO = 17
CAP_SYS_CHROOT = 18
CAP_SYS_PTRACE = 19
CAP_SYS_PACCT = 20
CAP_SYS_ADMIN = 21
CAP_SYS_BOOT = 22
CAP_SYS_NICE = 23
CAP_SYS_RESOURCE = 24
CAP_SYS_TIME = 25
CAP_SYS_TTY_CONFIG = 26
CAP_MKNOD = 27
CAP_LEASE = 28
CAP_AUDIT_WRITE = 29
CAP_AUDIT_CONTROL = 30
CAP_SETFCAP = 31
CAP_MAC_OVERRIDE = 32
CAP_MAC_ADMIN = 33
CAP_SYSLOG = 34
CAP_WAKE_ALARM = 35
CAP_BLOCK_SUSPEND = 36
CAP_AUDIT_READ = 37
CAP_PERFMON = 38
CAP_BPF = 39
CAP_CHECKPOINT_RESTORE = 40


class CapabilitySets(NamedTuple):
    """The three sets that capset(2) changes, each a bit mask."""

    effective: int
    permitted: int
    inheritable: int


def capget(pid: int = 0) -> CapabilitySets:
    """Return the capabilities of a thread.

    Args:
        pid: its id in the caller's PID namespace; 0 is the calling thread.

    Raises:
        ProcessLookupError: there is no such thread.

    Linux >= 2.6.26 (version 3, 64 bits).
    """
    sets = ffi.new("uint64_t[3]")
    result = lib.lc_capget(pid, sets)
    if result < 0:
        check(result, "capget", pid)
    return CapabilitySets(sets[0], sets[1], sets[2])


def capset(sets: CapabilitySets) -> None:
    """Set the capabilities of the calling thread, and of no other.

    Raises:
        PermissionError: a permitted one is new, an effective one is not permitted, or
            an inheritable one is outside of the bounding set.

    Linux >= 2.6.26 (version 3, 64 bits).
    """
    result = lib.lc_capset(ffi.new("uint64_t[3]", list(sets)))
    check(
        result,
        "capset",
        *(f"{name}={value:#x}" for name, value in sets._asdict().items()),
    )
