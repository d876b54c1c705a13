# SPDX-License-Identifier: Apache-2.0
"""The console socket: who is to have the terminal of a process.

The form is runc's: one message on a unix stream socket, the terminal's name as
its data and the master as its one fd (SCM_RIGHTS).
"""

from __future__ import annotations

import errno
import os
import socket
from typing import Self

from libcontainer.errors import StepError
from libcontainer.host.fds import above_stdio
from libcontainer.host.sockets import take_socket

_SECONDS = 10.0
_NAME = b"/dev/ptmx"
_HINTS = {
    errno.ENOENT: "there is no socket of this name",
    errno.ECONNREFUSED: "nobody listens there, or it is no socket",
    errno.EPROTOTYPE: "it must be a stream socket (SOCK_STREAM)",
    errno.ENOTSOCK: "it must be a unix stream socket",
    errno.ENOTCONN: "it must be connected",
}


class ConsoleSocket:
    """A connection to whoever gets the master, made before anything else.

    Args:
        target: path of a listening socket, or the fd of a connected one, of
            which a duplicate is used.

    Raises:
        StepError: it is no such socket; nothing has been made.
    """

    def __init__(self, target: str | int) -> None:
        shown = repr(target) if isinstance(target, str) else f"fd {target}"
        self._title = f"connect to the console socket {shown}"
        try:
            self._socket = _open(target)
        except OSError as error:
            raise self._error(error) from error

    def send(self, master: int) -> None:
        """Send the terminal's master.

        Raises:
            StepError: the other side is gone or does not read.
        """
        self._title = self._title.replace("connect to", "send the terminal to")
        # One message has room on any socket but one that nobody reads.
        flags = socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT
        try:
            socket.send_fds(self._socket, [_NAME], [master], flags)
        except OSError as error:
            raise self._error(error) from error

    def close(self) -> None:
        """Let go of the connection."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _error(self, error: OSError) -> StepError:
        number = error.errno or errno.ETIMEDOUT
        return StepError(number, self._title, hint=_HINTS.get(number))


def _open(target: str | int) -> socket.socket:
    if isinstance(target, str):
        fd = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).detach()
    else:
        fd = os.dup(target)
    # Asked of the kernel: what it is not told, it looks up.
    made = take_socket(above_stdio(fd))
    try:
        if isinstance(target, str):
            made.settimeout(_SECONDS)
            made.connect(target)
        else:
            _check(made)
    except BaseException:
        made.close()
        raise
    return made


def _check(given: socket.socket) -> None:
    if given.family != socket.AF_UNIX:
        raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK))
    if given.type != socket.SOCK_STREAM:
        raise OSError(errno.EPROTOTYPE, os.strerror(errno.EPROTOTYPE))
    given.getpeername()
