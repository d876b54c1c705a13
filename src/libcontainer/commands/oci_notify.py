# SPDX-License-Identifier: Apache-2.0
"""What a container that ``create`` has made says of its readiness (sd_notify(3)).

Who creates it is gone when it runs, so `start` listens: at a socket in a directory of
the container's own, which is bound inside. `start` ends once the container is ready,
or has ended.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from typing import Final, Self

from attrs import evolve

from libcontainer.config import Config
from libcontainer.container import Container
from libcontainer.host.fds import close_all
from libcontainer.host.notify import (
    FOLDER,
    INSIDE,
    SOCKET,
    open_manager,
    translate,
)
from libcontainer.host.processref import ProcessRef
from libcontainer.process import Process
from libcontainer.state import NOTIFY_LABEL

VARIABLE: Final = "NOTIFY_SOCKET"
_SIZE: Final = 4096
_MAX_FDS: Final = 16
# A manager that does not know of barriers never lets go of one.
_BARRIER_SECONDS: Final = 5.0


def heard(config: Config) -> Config:
    """Return the configuration of a container that `start` will listen to."""
    address = f"{INSIDE}/{SOCKET}"
    return evolve(config, labels={**dict(config.labels), NOTIFY_LABEL: address})


def prepare(container: Container, process: Process) -> Process:
    """Make the directory that is bound inside; return the process that knows of it.

    Raises:
        OSError: it cannot be made; then the container is gone, too.
    """
    try:
        os.mkdir(os.path.join(container.path, FOLDER), 0o755)
    except BaseException:
        container.delete(force=True)
        raise
    others = [item for item in process.env or () if item[0] != VARIABLE]
    return evolve(process, env=[*others, (VARIABLE, f"{INSIDE}/{SOCKET}")])


class Listener:
    """A socket at which a container that is about to start says that it is ready.

    With no service manager, or a container that has no directory for the socket,
    there is none.
    """

    def __init__(self, container: Container) -> None:
        """Reach the service manager, and listen.

        Raises:
            OSError: nobody is there; nothing has been started.
        """
        # Now, while it surely lives: the program may say its word and end at once.
        self._init = container.state().init
        self._inside: socket.socket | None = None
        self._open = contextlib.ExitStack()
        address = os.environ.get(VARIABLE)
        path = os.path.join(container.path, FOLDER)
        if address and os.path.isdir(path):
            with contextlib.ExitStack() as undo:
                self._listen(address, path, undo)
                self._open = undo.pop_all()

    def _listen(self, manager: str, path: str, undo: contextlib.ExitStack) -> None:
        self._manager = undo.enter_context(open_manager(manager))
        flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        folder = os.open(path, flags)
        undo.callback(os.close, folder)
        inside = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._inside = undo.enter_context(inside)
        # By the fd: an address has no room for every path.
        address = f"/proc/self/fd/{folder}/{SOCKET}"
        _unlink(folder)
        inside.bind(address)
        undo.callback(_unlink, folder)
        # Every user of the container may speak; nobody else reaches it, and inside it
        # is bound read-only: no link can be put in its place.
        os.chmod(address, 0o777)  # noqa: S103

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def wait(self) -> None:
        """Pass on what the container tells until it is ready, or has ended."""
        inside, record = self._inside, self._init
        if inside is None or record is None:
            return
        with ProcessRef.open(record) as init:
            poll = select.poll()
            poll.register(inside, select.POLLIN)
            if init is not None:
                poll.register(init.pidfd, select.POLLIN)
            ended = init is None
            while not self._pass_on_all(inside, record.host_pid):
                if ended:
                    return
                ready = [fd for fd, _ in poll.poll()]
                ended = init is None or init.pidfd in ready
        self._let_manager_read()

    def _pass_on_all(self, inside: socket.socket, host_pid: int) -> bool:
        """Pass on what there is; tell whether the container is ready."""
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(inside, _SIZE, _MAX_FDS)
            except OSError:
                return False
            close_all(fds)
            told = translate(data, host_pid)
            # A manager that is busy or gone is no reason to end the container.
            with contextlib.suppress(OSError):
                if told:
                    self._manager.send(told, socket.MSG_NOSIGNAL)
            if b"READY=1" in told.split(b"\n"):
                return True

    def _let_manager_read(self) -> None:
        """Stay until the manager has read: it asks the kernel who has written."""
        read, write = os.pipe2(os.O_CLOEXEC)
        try:
            with contextlib.suppress(OSError):
                flags = socket.MSG_NOSIGNAL
                socket.send_fds(self._manager, [b"BARRIER=1"], [write], flags)
            os.close(write)
            poll = select.poll()
            poll.register(read, 0)
            poll.poll(_BARRIER_SECONDS * 1000)
        finally:
            os.close(read)


def _unlink(folder: int) -> None:
    with contextlib.suppress(OSError):
        os.unlink(SOCKET, dir_fd=folder)
