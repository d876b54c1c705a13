# SPDX-License-Identifier: Apache-2.0
"""Sockets of descriptors that are there already."""

from __future__ import annotations

import os
import socket


def take_socket(fd: int, family: int = -1, kind: int = -1) -> socket.socket:
    """Return the socket that *fd* is; from now on it is the socket's to close.

    Args:
        fd: a socket; it is closed if this fails.
        family: ``AF_*``; -1 asks the kernel.
        kind: ``SOCK_*``; -1 asks the kernel.

    Raises:
        OSError: the kernel does not tell what it is.
    """
    try:
        return socket.socket(family, kind, fileno=fd)
    except BaseException:
        os.close(fd)
        raise
