# SPDX-License-Identifier: Apache-2.0
"""unix(7): the connection that a launch speaks with its helper over.

It carries messages of one size, each with at most one fd. Every fd that comes or is
made here is close-on-exec and above 2.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from libcontainer.bindings._lib import check, ffi, lib, path_bytes

_SIZE = 16
MAX_MILLISECONDS = 2**31 - 1
"""The longest time that is waited for at once."""


class Inbox:
    """Room for one message, to be used again and again by one thread."""

    __slots__ = ("_cells", "_fd")

    def __init__(self) -> None:
        # struct lc_message: kind, step, errno, part.
        self._cells = ffi.new("int[4]")
        self._fd = ffi.new("int[1]", [-1])

    def take_fd(self) -> int:
        """Return the fd that came with the message, once; -1 if there is none."""
        fd = self._fd[0]
        self._fd[0] = -1
        return fd

    def receive(
        self, control: int, milliseconds: int, *, at_end: bool = False
    ) -> tuple[int, int, int, int] | None:
        """Wait for a message; return its kind, step, errno and part, None at the end.

        Args:
            control: an end of the connection.
            milliseconds: how long to wait at most; -1 is for ever.
            at_end: sleep until the other side has closed, whatever it says before;
                then return that, message by message.

        Raises:
            TimeoutError: nothing came.
            ConnectionResetError: the other side has ended without reading what was
                sent to it. That is told once, before what it had sent.
            OSError: ``EPROTO``: the message has another size.
        """
        cells = self._cells
        while True:
            result = lib.lc_control_receive(
                control, milliseconds, at_end, cells, _SIZE, self._fd
            )
            if result > 0:
                return cells[0], cells[1], cells[2], cells[3]
            if result == 0:
                return None
            # As PEP 475 has it: a signal handler has run and did not raise.
            with contextlib.suppress(InterruptedError):
                check(result, "recvmsg", control)


def control_pair() -> tuple[int, int]:
    """Return the two ends of a new connection. See socketpair(2).

    Raises:
        OSError: ``EMFILE``: too many open files.
    """
    ends = ffi.new("int[2]")
    result = lib.lc_control_pair(ends)
    if result < 0:
        check(result, "socketpair", "AF_UNIX", "SOCK_SEQPACKET")
    return ends[0], ends[1]


def control_listen(path: str, backlog: int) -> int:
    """Return a socket that listens at *path*.

    Raises:
        OSError: ``EADDRINUSE``: there is a file; ``ENAMETOOLONG``: more than 107 bytes.
    """
    fd = lib.lc_control_listen(path_bytes(path), backlog)
    if fd < 0:
        check(fd, "bind", path)
    return fd


def control_connect(path: str) -> int:
    """Return a connection to whoever listens at *path*.

    Raises:
        OSError: ``ECONNREFUSED``: nobody does; ``ENOENT``: there is no such file.
    """
    while True:
        fd = lib.lc_control_connect(path_bytes(path))
        if fd >= 0:
            return fd
        # As PEP 475 has it: a signal handler has run and did not raise.
        with contextlib.suppress(InterruptedError):
            check(fd, "connect", path)


def control_send(control: int, message: bytes, fds: Sequence[int] = ()) -> None:
    """Send a message. Never ends the program by SIGPIPE, whatever it does about that.

    Args:
        control: an end of the connection.
        message: its bytes.
        fds: what goes with it, at most 64; they stay the caller's.

    Raises:
        OSError: ``EPIPE``, ``ECONNRESET``: nobody will read it.
    """
    cells = ffi.new("int[]", fds) if fds else ffi.NULL
    result = lib.lc_control_send(control, message, len(message), cells, len(fds))
    if result < 0:
        check(result, "send", control)


def close_fds(fds: list[int]) -> None:
    """Close each of *fds*; one that is closed already is passed over."""
    lib.lc_close_all(ffi.new("int[]", fds), len(fds))
