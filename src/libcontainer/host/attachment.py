# SPDX-License-Identifier: Apache-2.0
"""Being attached to a detached container: the other end of its monitor."""

from __future__ import annotations

import errno
import os
import socket
from typing import Self

from libcontainer.errors import HelperError
from libcontainer.host.fds import above_stdio, close_all
from libcontainer.host.keys import DEFAULT_KEYS
from libcontainer.host.relay import Relay
from libcontainer.host.sockets import take_socket
from libcontainer.host.store import Folder
from libcontainer.plan import wire

_SECONDS = 10.0
_CHUNK = 65536


class Attachment:
    """A connection to the terminal and the output of a detached container.

    Made by `Container.attach`. Closing it leaves the container as it is. Who
    does not read for a second while the container writes is let go by the
    monitor, so that no reader can stop a container.

    Attributes:
        terminal: fd of the terminal's master, or None where there is no terminal.
            What is written to it is typed; it is not to be read.
    """

    def __init__(self, connection: socket.socket, terminal: int | None) -> None:
        self._connection = connection
        self.terminal = terminal

    @staticmethod
    def connect(folder: Folder) -> Attachment:
        """Attach to the monitor of the container of *folder*.

        Raises:
            HelperError: it does not answer, or has eight attached already.
            OSError: ``EMFILE``: no file is left for the terminal.
        """
        raw = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        fd = above_stdio(raw.detach())
        connection = take_socket(fd, socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.settimeout(_SECONDS)
            connection.connect(folder.attach_address)
            data, fds, flags, _ = socket.recv_fds(connection, wire.MESSAGE_SIZE, 1)
            if not data:
                close_all(fds)
                raise ConnectionResetError
            connection.settimeout(None)
        except OSError as error:
            connection.close()
            message = f"the monitor of container {folder.id!r} does not let us attach"
            raise HelperError(message) from error
        if flags & socket.MSG_CTRUNC and not fds:
            connection.close()
            message = f"no file is left for the terminal of container {folder.id!r}"
            raise OSError(errno.EMFILE, message)
        return Attachment(connection, above_stdio(fds[0]) if fds else None)

    def fileno(self) -> int:
        """Return the fd that is readable when there is output, or the end."""
        return self._connection.fileno()

    def read(self) -> bytes:
        """Return the next output, at most 64 KiB; empty when there is no more."""
        try:
            return self._connection.recv(_CHUNK)
        except ConnectionResetError:
            return b""

    def write(self, typed: bytes) -> None:
        """Type something on the terminal.

        Raises:
            OSError: there is no terminal (ENXIO), or nobody uses it (EIO).
        """
        while typed:
            typed = typed[os.write(self._master(), typed) :]

    def resize(self, rows: int, columns: int) -> None:
        """Set the size of the terminal; its foreground processes get SIGWINCH.

        Raises:
            OSError: there is no terminal (ENXIO).
        """
        import termios  # noqa: PLC0415 - terminals are rare

        termios.tcsetwinsize(self._master(), (rows, columns))

    def relay(
        self, *, stdin: int = 0, stdout: int = 1, detach_keys: str = DEFAULT_KEYS
    ) -> bool:
        """Stand in for the container until it ends or is detached from.

        The caller's terminal is raw meanwhile and has its mode back afterwards.

        Args:
            stdin: fd that is read, where the container has a terminal.
            stdout: fd that is written to.
            detach_keys: keys that leave the container running; empty is none.

        Returns:
            Whether the container has ended.

        Raises:
            ValueError: there are no such keys.
        """
        return self.make_relay(
            stdin=stdin, stdout=stdout, detach_keys=detach_keys
        ).run()

    def make_relay(
        self, *, stdin: int = 0, stdout: int = 1, detach_keys: str = DEFAULT_KEYS
    ) -> Relay:
        """Return the relay of `relay`, for who has signals to wait for as well."""
        return Relay(
            self.fileno(),
            terminal=self.terminal,
            stdin=stdin,
            stdout=stdout,
            detach_keys=detach_keys,
        )

    def close(self) -> None:
        """Let go; the container runs on."""
        self._connection.close()
        terminal, self.terminal = self.terminal, None
        if terminal is not None:
            os.close(terminal)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _master(self) -> int:
        if self.terminal is None:
            raise OSError(errno.ENXIO, "the container has no terminal")
        return self.terminal
