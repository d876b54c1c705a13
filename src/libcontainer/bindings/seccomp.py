# SPDX-License-Identifier: Apache-2.0
"""seccomp(2): filter the system calls of the calling thread."""

from __future__ import annotations

import errno
from enum import IntEnum, IntFlag
from typing import NamedTuple

from libcontainer.bindings._lib import call_failed, check, ffi, lib


class SeccompFlag(IntFlag):
    """``SECCOMP_FILTER_FLAG_*``."""

    TSYNC = 0x1
    LOG = 0x2
    SPEC_ALLOW = 0x4
    NEW_LISTENER = 0x8
    TSYNC_ESRCH = 0x10
    WAIT_KILLABLE_RECV = 0x20


class SeccompAction(IntEnum):
    """``SECCOMP_RET_*``: what a filter can answer."""

    KILL_THREAD = 0x00000000
    TRAP = 0x00030000
    ERRNO = 0x00050000
    USER_NOTIF = 0x7FC00000
    TRACE = 0x7FF00000
    LOG = 0x7FFC0000
    ALLOW = 0x7FFF0000
    KILL_PROCESS = 0x80000000


class NotifSizes(NamedTuple):
    """The kernel's sizes, in bytes, of the structs of user notification."""

    notif: int
    notif_resp: int
    data: int


def set_mode_filter(program: bytes, flags: int = 0) -> int:
    """Install a filter for the calling thread, for good.

    Args:
        program: classic BPF, eight bytes an instruction in the machine's byte order.
        flags: `SeccompFlag`.

    Returns:
        0, or with ``NEW_LISTENER`` (Linux 5.0) the listener's fd, close-on-exec.

    Raises:
        OSError: ``EACCES``: neither no_new_privs nor CAP_SYS_ADMIN; ``EINVAL``: the
            program is wrong or longer than 4,096 instructions; ``ESRCH``: with
            ``TSYNC``, another thread cannot take it; ``EBUSY``: there is a listener.

    Linux >= 3.17.
    """
    result = lib.lc_seccomp_set_mode_filter(flags, program, len(program))
    shown = (SeccompFlag(flags), f"{len(program) // 8} instructions")
    check(result, "seccomp", "SET_MODE_FILTER", *shown)
    if result > 0 and not flags & SeccompFlag.NEW_LISTENER:
        # With TSYNC alone the kernel reports a failure as the id of a thread.
        call = f"seccomp('SET_MODE_FILTER', {shown[0].name}, thread {result})"
        raise call_failed(call, errno.ESRCH)
    return result


def get_action_avail(action: int) -> bool:
    """Tell whether the kernel knows a `SeccompAction`. Linux >= 4.14."""
    result = lib.lc_seccomp_get_action_avail(action)
    if result == -errno.EOPNOTSUPP:
        return False
    check(result, "seccomp", "GET_ACTION_AVAIL", hex(action))
    return True


def get_notif_sizes() -> NotifSizes:
    """Return the sizes of the structs of user notification. Linux >= 5.0."""
    sizes = ffi.new("uint16_t[3]")
    check(lib.lc_seccomp_get_notif_sizes(sizes), "seccomp", "GET_NOTIF_SIZES")
    return NotifSizes(sizes[0], sizes[1], sizes[2])
