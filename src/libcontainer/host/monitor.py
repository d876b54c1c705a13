# SPDX-License-Identifier: Apache-2.0
"""The caller's end of a monitor: making it, handing over, seeing its end."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable
from typing import Any

from libcontainer.bindings.pidfd import pidfd_pid, pidfd_send_signal
from libcontainer.errors import HelperError
from libcontainer.host.actions import HostActions, listen_at
from libcontainer.host.children import has_ended
from libcontainer.host.fds import above_stdio, close_all
from libcontainer.host.launch import Launch
from libcontainer.host.processref import ProcessRef, record_of
from libcontainer.host.sockets import take_socket
from libcontainer.plan import wire
from libcontainer.plan.monitor import HandOver, MakeMonitorEnds
from libcontainer.state import ProcessRecord

_SECONDS = 10.0
_KIND = socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC


class MonitorEnd:
    """The socket to a monitor in the making, from our side.

    Until `hand_over` it is a lease: the monitor ends when it closes.
    """

    def __init__(self) -> None:
        with contextlib.ExitStack() as undo:
            ours, theirs = socket.socketpair(socket.AF_UNIX, _KIND)
            undo.callback(theirs.close)
            self._socket = _above_stdio(ours)
            undo.callback(self._socket.close)
            self._socket.settimeout(_SECONDS)
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

    def hand_over(self, host_pid: int, terminal: int) -> None:
        """Leave init to the monitor, and its terminal's master unless it is -1.

        Raises:
            OSError: the monitor has ended.
        """
        fds = [terminal] if terminal >= 0 else []
        message = wire.encode_go(host_pid)
        socket.send_fds(self._socket, [message], fds, socket.MSG_NOSIGNAL)

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
    launch.monitor = MonitorEnd()
    launch.own(action.caller, launch.monitor.theirs)
    listen_at(launch, action.listener, actions.folder.attach_address)
    launch.own(action.folder, _open_folder(".", at=actions.folder.fd))
    if action.log_path is not None:
        launch.own(action.log_folder, _open_folder(os.path.dirname(action.log_path)))


def _hand_over(actions: HostActions, launch: Launch, action: HandOver) -> None:
    if launch.monitor is not None:
        launch.monitor.hand_over(launch.host_pid, launch.terminal)
    launch.close_terminal()


RUNNERS: dict[type[Any], Callable[[HostActions, Launch, Any], None]] = {
    MakeMonitorEnds: _make_ends,
    HandOver: _hand_over,
}


def _open_folder(path: str, *, at: int | None = None) -> int:
    # It only names the folder, so it holds no lock of it.
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    return above_stdio(os.open(path, flags, dir_fd=at))


def _above_stdio(end: socket.socket) -> socket.socket:
    fd = above_stdio(end.detach())
    return take_socket(fd, socket.AF_UNIX, socket.SOCK_SEQPACKET)
