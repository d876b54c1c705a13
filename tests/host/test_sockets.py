# SPDX-License-Identifier: Apache-2.0
"""Descriptors that become sockets."""

from __future__ import annotations

import os
import socket

import pytest

from libcontainer.host.sockets import take_socket


def test_a_socket_is_what_the_kernel_says() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, take_socket(ours.detach()) as taken:
        assert (taken.family, taken.type) == (socket.AF_UNIX, socket.SOCK_SEQPACKET)


def test_what_is_no_socket_is_closed() -> None:
    fd = os.open("/dev/null", os.O_RDONLY)
    with pytest.raises(OSError, match="socket"):
        take_socket(fd)
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(fd)
