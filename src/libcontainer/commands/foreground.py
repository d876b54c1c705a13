# SPDX-License-Identifier: Apache-2.0
"""Stands in for a process of a container: its terminal, its signals, its status."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import selectors
import signal
import struct
import termios
import tty
from collections.abc import Iterator
from types import FrameType
from typing import Self

from libcontainer.handle import ProcessHandle
from libcontainer.host.children import ExitStatus

_CHUNK = 65536
_DRAIN_SECONDS = 0.2
_EOF_KEY = b"\x04"

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
        for number in signal.valid_signals() - (_OWN - {signal.SIGWINCH}):
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
    with _raw_terminal(process), selectors.PollSelector() as selector:
        selector.register(process.pidfd, selectors.EVENT_READ)
        selector.register(signals.fd, selectors.EVENT_READ)
        if process.terminal is not None:
            resize(process)
            selector.register(process.terminal, selectors.EVENT_READ)
            selector.register(0, selectors.EVENT_READ)
        ended = False
        while not ended:
            for key, _ in selector.select():
                ended = ended or key.fd == process.pidfd
                _serve(selector, key.fd, process, signals)
        _drain(process)
    return process.wait()


def resize(process: ProcessHandle) -> None:
    """Give the process's terminal the size of the caller's, if it has one."""
    if process.terminal is None or not os.isatty(0):
        return
    size = fcntl.ioctl(0, termios.TIOCGWINSZ, struct.pack("HHHH", 0, 0, 0, 0))
    fcntl.ioctl(process.terminal, termios.TIOCSWINSZ, size)


def caller_size() -> tuple[int, int] | None:
    """Return (rows, columns) of the caller's terminal, or None without one."""
    try:
        size = os.get_terminal_size(0)
    except OSError:
        return None
    return (size.lines, size.columns) if size.lines and size.columns else None


def _serve(
    selector: selectors.BaseSelector, fd: int, process: ProcessHandle, signals: Signals
) -> None:
    if fd == signals.fd:
        _forward(process, signals)
    elif fd == process.terminal:
        if not _copy(fd, 1):
            selector.unregister(fd)
    elif fd == 0 and process.terminal is not None and not _copy(0, process.terminal):
        # The end of our input is the end of its input; its output goes on.
        selector.unregister(0)
        os.write(process.terminal, _EOF_KEY)


def _forward(process: ProcessHandle, signals: Signals) -> None:
    for number in signals.take():
        if number == signal.SIGWINCH:
            resize(process)
        elif number not in _OWN:
            with contextlib.suppress(ProcessLookupError):
                process.signal(number)


def _copy(source: int, target: int) -> bool:
    """Copy what is there; return False at the end."""
    try:
        data = os.read(source, _CHUNK)
    except OSError as error:
        # A pty whose last slave was closed: the normal end.
        if error.errno != errno.EIO:
            raise
        return False
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]
    return bool(data)


def _drain(process: ProcessHandle) -> None:
    if process.terminal is None:
        return
    with selectors.PollSelector() as selector:
        selector.register(process.terminal, selectors.EVENT_READ)
        while selector.select(_DRAIN_SECONDS) and _copy(process.terminal, 1):
            pass


@contextlib.contextmanager
def _raw_terminal(process: ProcessHandle) -> Iterator[None]:
    if process.terminal is None or not os.isatty(0):
        yield
        return
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
