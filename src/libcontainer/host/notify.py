# SPDX-License-Identifier: Apache-2.0
"""Passes on what a container tells of its readiness (sd_notify(3)).

The container has a socket of its own, made by the caller. A thread of the caller
reads it until init has ended, and tells the caller's service manager what may be
told. So this ends with the caller; the container goes on, unheard.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading

from attrs import evolve

from libcontainer.config import Config, Mount
from libcontainer.host.fds import above_stdio, close_all
from libcontainer.host.sockets import take_socket

_SIZE = 4096
_MAX_FDS = 16
_SECONDS = 5.0
# What is about the container itself. File descriptors to keep, other limits of the
# watchdog and pids are not for a container to say.
_PASSED = frozenset(
    {
        "READY",
        "STATUS",
        "STOPPING",
        "RELOADING",
        "MONOTONIC_USEC",
        "ERRNO",
        "BUSERROR",
        "EXTEND_TIMEOUT_USEC",
        "WATCHDOG",
    }
)


FOLDER = "notify"
"""The directory of a state folder where whoever starts the container listens."""
SOCKET = "notify.sock"
INSIDE = "/run/notify"
"""Where that directory is bound in the container."""


def with_folder(config: Config, path: str) -> Config:
    """Return a configuration that has the directory of the state folder *path*."""
    options = ("bind", "ro", "nosuid", "nodev", "noexec")
    mount = Mount.from_options("bind", f"{path}/{FOLDER}", INSIDE, options)
    return evolve(config, mounts=(*config.mounts, mount))


def open_inside() -> socket.socket:
    """Return the socket that the helper will give a name inside."""
    raw = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    made = _above_stdio(raw)
    made.setblocking(False)
    return made


def open_manager(address: str) -> socket.socket:
    """Connect to the service manager.

    Args:
        address: a host path, or ``@`` and an abstract name.

    Raises:
        OSError: nobody is there.
    """
    raw = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    made = _above_stdio(raw)
    try:
        made.settimeout(_SECONDS)
        made.connect("\0" + address[1:] if address.startswith("@") else address)
    except BaseException:
        made.close()
        raise
    return made


def translate(data: bytes, host_pid: int) -> bytes:
    """Return what the manager is told of a message from inside; maybe nothing.

    Args:
        data: what the container sent.
        host_pid: of its init; it stands for whatever pid the container names.
    """
    told: list[str] = []
    names_pid = False
    for line in data.decode("utf-8", "replace").split("\n"):
        key, equals, value = line.partition("=")
        names_pid = names_pid or key == "MAINPID" or line == "READY=1"
        if equals and key in _PASSED and value.isprintable():
            told.append(line)
    if names_pid:
        told.append(f"MAINPID={host_pid}")
    return "\n".join(told).encode()


class Relay:
    """Reads the inside, tells the manager, until init has ended.

    It owns both sockets and the pidfd from here on.
    """

    def __init__(
        self, inside: socket.socket, manager: socket.socket, pidfd: int, host_pid: int
    ) -> None:
        self._inside = inside
        self._manager = manager
        self._pidfd = pidfd
        self._host_pid = host_pid

    def start(self) -> None:
        """Begin; a daemon thread, so that it holds nobody up."""
        name = f"libcontainer-notify-{self._host_pid}"
        try:
            threading.Thread(target=self._run, name=name, daemon=True).start()
        except BaseException:
            # No more threads: a limit.
            os.close(self._pidfd)
            self._inside.close()
            self._manager.close()
            raise

    def _run(self) -> None:
        with self._inside, self._manager:
            poll = select.poll()
            poll.register(self._inside, select.POLLIN)
            poll.register(self._pidfd, select.POLLIN)
            ended = False
            while not ended:
                ready = [fd for fd, _ in poll.poll()]
                ended = self._pidfd in ready
                self._pass_on_all()
        os.close(self._pidfd)

    def _pass_on_all(self) -> None:
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self._inside, _SIZE, _MAX_FDS)
            except OSError:
                return
            try:
                self._pass_on(data, fds)
            finally:
                close_all(fds)

    def _pass_on(self, data: bytes, fds: list[int]) -> None:
        # A manager that is gone or busy is no reason to stop listening.
        with contextlib.suppress(OSError):
            told = translate(data, self._host_pid)
            if told:
                self._manager.send(told, socket.MSG_NOSIGNAL)
            if fds and data.strip() == b"BARRIER=1":
                flags = socket.MSG_NOSIGNAL
                socket.send_fds(self._manager, [b"BARRIER=1"], fds[:1], flags)


def _above_stdio(raw: socket.socket) -> socket.socket:
    fd = above_stdio(raw.detach())
    return take_socket(fd, socket.AF_UNIX, socket.SOCK_DGRAM)
