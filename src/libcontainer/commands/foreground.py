# SPDX-License-Identifier: Apache-2.0
"""Stands in for a process of a container: its terminal, its signals, its status."""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType
from typing import TYPE_CHECKING, Self

from libcontainer.commands.subreaper import reap_orphans
from libcontainer.handle import ProcessHandle
from libcontainer.host.children import ExitStatus

if TYPE_CHECKING:
    from libcontainer.host.attachment import Attachment

_CHUNK = 65536
_ENDING = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM})

# Not forwarded: what tells of our own children, terminal and code, and what
# cannot be caught.
_OWN = frozenset(
    {
        signal.SIGCHLD,
        signal.SIGWINCH,
        signal.SIGPIPE,
        signal.SIGKILL,
        signal.SIGSTOP,
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGILL,
        signal.SIGFPE,
        signal.SIGABRT,
        signal.SIGTRAP,
        signal.SIGSYS,
    }
)


# For our own use, not to be passed on.
_HEARD = frozenset({signal.SIGCHLD, signal.SIGWINCH})


class Ended(Exception):
    """A signal has told us to end.

    Attributes:
        number: the signal.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)


class Signals:
    """Collects signals, from before the container starts until it has ended."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._before: dict[int, object] = {}
        self._wakeup = -1

    @property
    def fd(self) -> int:
        """Readable when signals have come."""
        return self._read

    def take(self) -> bytes:
        """Return the numbers of the signals that have come, one byte each."""
        try:
            return os.read(self._read, _CHUNK)
        except BlockingIOError:
            return b""

    def __enter__(self) -> Self:
        self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in signal.valid_signals() - (_OWN - _HEARD):
            with contextlib.suppress(OSError, ValueError):
                self._before[number] = signal.signal(number, _wake)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._read)
        os.close(self._write)


def _wake(number: int, frame: FrameType | None) -> None:
    """Do nothing: the wakeup fd has the number already."""


def stand_in(process: ProcessHandle, signals: Signals) -> ExitStatus:
    """Forward signals and terminal until the process has ended; return how."""
    relay = process.make_relay()

    def on_wake() -> None:
        for number in signals.take():
            if number == signal.SIGWINCH:
                relay.resize()
            elif number == signal.SIGCHLD:
                reap_orphans(process.host_pid)
            elif number not in _OWN:
                with contextlib.suppress(ProcessLookupError):
                    process.signal(number)

    relay.run(process.pidfd, wake=signals.fd, on_wake=on_wake)
    return process.wait()


def stand_in_attached(attachment: Attachment, signals: Signals, keys: str) -> bool:
    """Be attached until the container has ended, or the keys were typed.

    Signals that would end us do so, without harm to the container. Return
    whether it has ended.
    """
    relay = attachment.make_relay(detach_keys=keys)

    def on_wake() -> None:
        for number in signals.take():
            if number == signal.SIGWINCH:
                relay.resize()
            elif number in _ENDING:
                raise Ended(number)

    return relay.run(wake=signals.fd, on_wake=on_wake)


def caller_size() -> tuple[int, int] | None:
    """Return (rows, columns) of the caller's terminal, or None without one."""
    try:
        size = os.get_terminal_size(0)
    except OSError:
        return None
    return (size.lines, size.columns) if size.lines and size.columns else None
