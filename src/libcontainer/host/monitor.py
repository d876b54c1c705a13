# SPDX-License-Identifier: Apache-2.0
"""The caller's end of a monitor: making it, handing over, seeing its end."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import stat
import struct
from collections.abc import Callable
from math import inf
from typing import Any

from libcontainer.bindings.control import control_listen
from libcontainer.bindings.helper import sealed_monitor
from libcontainer.bindings.pidfd import pidfd_pid, pidfd_send_signal
from libcontainer.errors import HelperError
from libcontainer.host.actions import BACKLOG, HostActions
from libcontainer.host.children import has_ended
from libcontainer.host.fds import above_stdio, close_all
from libcontainer.host.launch import Launch
from libcontainer.host.processref import ProcessRef, record_of
from libcontainer.host.sockets import take_socket
from libcontainer.plan import wire
from libcontainer.plan.monitor import HandOver, MakeMonitorEnds
from libcontainer.process import Log
from libcontainer.state import ProcessRecord

_SECONDS = 10.0
# Without waiting for whoever reads a FIFO.
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
_APPEND |= os.O_NOFOLLOW | os.O_NONBLOCK
_KIND = socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC


class MonitorEnd:
    """The socket to a monitor in the making, from our side.

    Until `hand_over` it is a lease: the monitor ends when it closes.

    Args:
        seconds: how long the monitor waits for that; infinity is for ever.
    """

    def __init__(self, seconds: float) -> None:
        self._held: list[int] = []
        with contextlib.ExitStack() as undo:
            ours, theirs = socket.socketpair(socket.AF_UNIX, _KIND)
            undo.callback(theirs.close)
            self._socket = _above_stdio(ours)
            undo.callback(self._socket.close)
            self._socket.settimeout(_SECONDS)
            if seconds != inf:
                limit = struct.pack("@ll", int(seconds), int(seconds % 1 * 1_000_000))
                theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            self.theirs = above_stdio(theirs.detach())
            undo.pop_all()

    def meet(self) -> ProcessRecord:
        """Return who the monitor is.

        Raises:
            HelperError: it has ended.
        """
        data, fds, _, _ = socket.recv_fds(self._socket, wire.MESSAGE_SIZE, 1)
        with contextlib.suppress(ProcessLookupError):
            try:
                host_pid = pidfd_pid(fds[0]) if data and fds else -1
                if host_pid > 0:
                    return record_of(host_pid)
            finally:
                close_all(fds)
        message = "the monitor ended before it had anything to watch"
        raise HelperError(message)

    def hold(self, fd: int) -> int:
        """Keep *fd* for the monitor until `hand_over`; return it."""
        self._held.append(fd)
        return fd

    def hand_over(
        self, host_pid: int, source: int, log: Log | None, *, terminal: bool
    ) -> None:
        """Leave init to the monitor, with all that is held for it.

        Args:
            host_pid: init.
            source: fd of what it writes to, or -1.
            log: where that is copied to.
            terminal: whether that is the master of a terminal.

        Raises:
            OSError: the monitor has ended.
        """
        logs = (2, 3) if log is not None else (-1, -1)
        fds = [*self._held, source] if source >= 0 else self._held
        places = (0, 1, *logs, len(self._held) if source >= 0 else -1)
        names = () if log is None else _names(log)
        limit = 0 if log is None else log.max_size
        message = wire.encode_watch(host_pid, limit, places, names, terminal=terminal)
        socket.send_fds(self._socket, [message], fds, socket.MSG_NOSIGNAL)
        self._let_go()

    def _let_go(self) -> None:
        close_all(self._held)
        self._held.clear()

    def end(self) -> None:
        """End a monitor that is not needed, and wait until it is gone.

        Its init must be gone already. Nobody else holds the other end then.
        """
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            while self._socket.recv(wire.MESSAGE_SIZE):
                pass
        self.close()

    def close(self) -> None:
        """Let go of the monitor; it lives on if `hand_over` was called."""
        self._let_go()
        self._socket.close()


def end_monitor(record: ProcessRecord | None) -> None:
    """Wait until the monitor of an init that has ended is gone as well.

    It has a record to write and output to pass on; one that does not end is
    killed.
    """
    with ProcessRef.open(record) as monitor:
        if monitor is None or has_ended(monitor.pidfd, _SECONDS):
            return
        with contextlib.suppress(ProcessLookupError):
            pidfd_send_signal(monitor.pidfd, signal.SIGKILL)
        has_ended(monitor.pidfd, _SECONDS)


def _make_ends(actions: HostActions, launch: Launch, action: MakeMonitorEnds) -> None:
    end = launch.monitor = MonitorEnd(launch.deadline_seconds)
    launch.own(action.caller, end.theirs)
    launch.own(action.program, above_stdio(sealed_monitor()))
    end.hold(control_listen(actions.folder.attach_address, BACKLOG))
    end.hold(_open_folder(".", at=actions.folder.fd))
    if action.log is not None:
        parent, name = os.path.split(action.log.path)
        end.hold(_open_log(end.hold(_open_folder(parent)), name))


def _hand_over(actions: HostActions, launch: Launch, action: HandOver) -> None:
    terminal = launch.terminal >= 0
    source = launch.terminal if terminal else launch.captured
    if launch.monitor is not None:
        launch.monitor.hand_over(launch.host_pid, source, action.log, terminal=terminal)
    launch.close_terminal()


RUNNERS: dict[type[Any], Callable[[HostActions, Launch, Any], None]] = {
    MakeMonitorEnds: _make_ends,
    HandOver: _hand_over,
}


def _open_folder(path: str, *, at: int | None = None) -> int:
    # It only names the folder, so it holds no lock of it.
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    return above_stdio(os.open(path, flags, dir_fd=at))


def _open_log(folder: int, name: str) -> int:
    fd = above_stdio(os.open(name, _APPEND, 0o600, dir_fd=folder))
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "no regular file", name)
    return fd


def _names(log: Log) -> tuple[str, ...]:
    name = os.path.basename(log.path)
    return (name, *(f"{name}.{number}" for number in range(1, log.max_files)))


def _above_stdio(end: socket.socket) -> socket.socket:
    fd = above_stdio(end.detach())
    return take_socket(fd, socket.AF_UNIX, socket.SOCK_SEQPACKET)
