# SPDX-License-Identifier: Apache-2.0
"""``libcontainer recvtty``: takes the terminals that a runtime sends to a socket.

For who has no engine: what is given as ``--console-socket`` to ``create``, ``run
--detach`` and ``exec --detach``. In mode ``single`` it stands between the caller
and the first terminal that comes; in mode ``null`` it takes all that come, and
throws away what they say.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket

from libcontainer.commands.foreground import Signals
from libcontainer.commands.options import Arguments
from libcontainer.host.pidfile import write_pid_file
from libcontainer.host.relay import Relay

_CHUNK = 65536
_NAME_LENGTH = 4096


def recvtty(arguments: Arguments) -> int:
    """Listen at the socket until the terminal is closed, or for ever."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(arguments.socket)
        try:
            listener.listen()
            if arguments.pid_file is not None:
                write_pid_file(arguments.pid_file, os.getpid())
            if arguments.mode == "null":
                return _take_all(listener)
            return _relay_one(listener, reads=not arguments.no_stdin)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(arguments.socket)


def receive_terminal(connection: socket.socket) -> int:
    """Return the fd of the terminal that comes with a message.

    Raises:
        ValueError: no fd, or more than one, came with it.
    """
    _, fds, _, _ = socket.recv_fds(connection, _NAME_LENGTH, 2)
    if len(fds) == 1:
        return fds[0]
    for fd in fds:
        os.close(fd)
    message = f"the message has {len(fds)} descriptors, not the one of a terminal"
    raise ValueError(message)


def _relay_one(listener: socket.socket, *, reads: bool) -> int:
    connection, _ = listener.accept()
    with connection:
        master = receive_terminal(connection)
    # Nothing ever comes from a pipe that nobody writes to, not even its end.
    quiet, other = os.pipe()
    stdin = 0 if reads else quiet
    with Signals() as signals:
        relay = Relay(master, terminal=master, stdin=stdin)
        relay.resize()

        def on_wake() -> None:
            for number in signals.take():
                if number == signal.SIGWINCH:
                    relay.resize()
                elif number in {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}:
                    raise KeyboardInterrupt

        relay.run(wake=signals.fd, on_wake=on_wake)
    for fd in (master, quiet, other):
        os.close(fd)
    return 0


def _take_all(listener: socket.socket) -> int:
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not listener:
                    _drop_output(selector, key.fd)
                    continue
                connection, _ = listener.accept()
                with connection, contextlib.suppress(ValueError):
                    master = receive_terminal(connection)
                    selector.register(master, selectors.EVENT_READ)


def _drop_output(selector: selectors.BaseSelector, master: int) -> None:
    try:
        said = os.read(master, _CHUNK)
    except OSError:
        said = b""  # who had the terminal has closed it
    if not said:
        selector.unregister(master)
        os.close(master)
