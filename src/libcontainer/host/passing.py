# SPDX-License-Identifier: Apache-2.0
"""Hands a pidfd to another program."""

from __future__ import annotations

import errno
import os
import socket

from libcontainer.host.sockets import take_socket

_NAME = b"pidfd"
_SECONDS = 10.0
_TYPES = (socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM)


def send_pidfd(pidfd: int, to: str | int) -> None:
    """Send a pidfd, with a few bytes that mean nothing, to a unix socket.

    Args:
        pidfd: what is sent; it stays open here.
        to: a host path to connect to, or the fd of a connected socket, which is
            not waited for.

    Raises:
        OSError: nobody listens, or the socket takes nothing now.
    """
    connected = _connect(to) if isinstance(to, str) else _duplicate(to)
    with connected:
        flags = socket.MSG_NOSIGNAL
        if not isinstance(to, str):
            flags |= socket.MSG_DONTWAIT
        socket.send_fds(connected, [_NAME], [pidfd], flags)


def _duplicate(fd: int) -> socket.socket:
    return take_socket(os.dup(fd))


def _connect(path: str) -> socket.socket:
    for kind in _TYPES:
        made = socket.socket(socket.AF_UNIX, kind | socket.SOCK_CLOEXEC)
        try:
            made.settimeout(_SECONDS)
            made.connect(path)
        except OSError as error:
            made.close()
            if error.errno != errno.EPROTOTYPE:
                raise
        else:
            return made
    raise OSError(errno.EPROTOTYPE, os.strerror(errno.EPROTOTYPE))
