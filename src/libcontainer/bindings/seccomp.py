# SPDX-License-Identifier: Apache-2.0
"""seccomp(2): filter the system calls of the calling thread."""

from __future__ import annotations

import errno
import fcntl
import struct
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


class Notification(NamedTuple):
    """A system call that waits for an answer: ``struct seccomp_notif``.

    Attributes:
        id: the kernel's number of it.
        pid: the thread that makes it, 0 if the caller cannot see it.
        number: of the system call.
        architecture: ``AUDIT_ARCH_*``.
        args: its six arguments.
    """

    id: int
    pid: int
    number: int
    architecture: int
    args: tuple[int, ...]


_NOTIF = struct.Struct("=QIIiIQ6Q")
_RESPONSE = struct.Struct("=QqiI")
_ADD_FD = struct.Struct("=QIIII")
_RECEIVE = 0xC0502100
_SEND = 0xC0182101
_ID_VALID = 0x40082102
_ADD = 0x40182103
_CONTINUE = 1
_ADD_FD_SEND = 2
_CLOEXEC = 0o2000000


def notif_receive(listener: int) -> Notification:
    """Return the next call that waits for an answer; blocks until there is one.

    Raises:
        OSError: ``ENOENT``: the caller of it was killed meanwhile.

    Linux >= 5.0. Source: seccomp_unotify(2).
    """
    buffer = bytearray(_NOTIF.size)
    _ioctl(listener, _RECEIVE, buffer, "SECCOMP_IOCTL_NOTIF_RECV")
    number, pid, _, call, architecture, _, *args = _NOTIF.unpack(buffer)
    return Notification(number, pid, call, architecture, tuple(args))


def notif_id_valid(listener: int, number: int) -> bool:
    """Tell whether a call still waits. Linux >= 5.0."""
    buffer = bytearray(struct.pack("=Q", number))
    try:
        _ioctl(listener, _ID_VALID, buffer, "SECCOMP_IOCTL_NOTIF_ID_VALID")
    except FileNotFoundError:
        return False
    return True


def notif_send(listener: int, number: int, *, value: int = 0, error: int = 0) -> None:
    """Make a call return *value*, or fail with *error*, an errno.

    Raises:
        FileNotFoundError: its caller is gone.

    Linux >= 5.0.
    """
    buffer = bytearray(_RESPONSE.pack(number, value, -error, 0))
    _ioctl(listener, _SEND, buffer, "SECCOMP_IOCTL_NOTIF_SEND")


def notif_continue(listener: int, number: int) -> None:
    """Let the kernel make a call.

    Raises:
        FileNotFoundError: its caller is gone.

    Linux >= 5.5.
    """
    buffer = bytearray(_RESPONSE.pack(number, 0, 0, _CONTINUE))
    _ioctl(listener, _SEND, buffer, "SECCOMP_IOCTL_NOTIF_SEND")


def notif_add_fd(
    listener: int, number: int, fd: int, *, close_on_exec: bool = True
) -> None:
    """Put a copy of *fd* into the caller of a call, which returns its number.

    Raises:
        FileNotFoundError: its caller is gone.

    Linux >= 5.14.
    """
    flags = _CLOEXEC if close_on_exec else 0
    buffer = bytearray(_ADD_FD.pack(number, _ADD_FD_SEND, fd, 0, flags))
    _ioctl(listener, _ADD, buffer, "SECCOMP_IOCTL_NOTIF_ADDFD")


def _ioctl(listener: int, request: int, buffer: bytearray, name: str) -> None:
    try:
        fcntl.ioctl(listener, request, buffer)
    except OSError as error:
        raise call_failed(f"ioctl({listener}, {name})", error.errno or 0) from None
