# SPDX-License-Identifier: Apache-2.0
"""Stands between the caller's terminal and that of a container.

Nothing of the calling process is changed but the mode of its terminal, which is
put back however the relay ends. Signals are the caller's: whoever owns the
process calls `Relay.resize` on SIGWINCH, as the commands do.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import struct
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from libcontainer.host.keys import KeyWatch


_CHUNK = 65536
_TYPED = 256  # less than any terminal has room for when it says that it has some
_DRAIN_SECONDS = 0.2
_EOF_KEY = b"\x04"
_ENDS = 3
_MOST_ENDS = 20
_QUIET_MILLISECONDS = 200
_READY = select.POLLIN | select.POLLHUP | select.POLLERR


class Relay:
    """Copies output to the caller, and what is typed to the container.

    Args:
        output: fd that the container's output is read from, -1 for none.
        terminal: master of the container's terminal, or None: nothing is typed.
        stdin: fd that is read; raw while the relay runs, if it is a terminal.
        stdout: fd that is written to. Where it is no terminal, the container's
            turns no line end into carriage return and line feed.
        detach_keys: typed, they end the relay, as in ``ctrl-p,ctrl-q``; empty is
            none. They are looked for where *stdin* is a terminal.

    Raises:
        ValueError: there are no such keys.
    """

    def __init__(
        self,
        output: int,
        *,
        terminal: int | None,
        stdin: int = 0,
        stdout: int = 1,
        detach_keys: str = "",
    ) -> None:
        self._output = output
        self._terminal = terminal
        self._stdin = stdin
        self._stdout = stdout
        self._keys = _watch(detach_keys, stdin)
        self._typed = b""
        self._is_reading = terminal is not None
        self._has_output = output >= 0
        self._quiet = self._ends_left = 0

    def resize(self) -> None:
        """Give the container's terminal the size of the caller's, if it has one."""
        if self._terminal is None or not os.isatty(self._stdin):
            return
        import fcntl  # noqa: PLC0415 - terminals are rare
        import termios  # noqa: PLC0415

        empty = struct.pack("HHHH", 0, 0, 0, 0)
        size = fcntl.ioctl(self._stdin, termios.TIOCGWINSZ, empty)
        if size != empty:
            fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, size)

    def run(
        self,
        ended: int = -1,
        *,
        wake: int = -1,
        on_wake: Callable[[], None] | None = None,
    ) -> bool:
        """Copy until the process has ended, or the detach keys were typed.

        Args:
            ended: pidfd of the process; -1: the end of the output is its end.
            wake: a further fd to watch, -1 for none.
            on_wake: called when *wake* can be read.

        Returns:
            Whether the process has ended; else it was detached from.
        """
        with self._raw_terminal():
            self.normalise()
            self.resize()
            while True:
                ready = self._poll(ended, wake)
                if wake in ready and on_wake is not None:
                    on_wake()
                if self._typed and ready.get(self._terminal or -1, 0) & select.POLLOUT:
                    self._write_typed()
                if self._stdin in ready and self._is_reading and self._read_typed():
                    self._flush_typed()
                    return False
                if ready.get(self._output, 0) & _READY:
                    self._has_output = self._copy_output()
                    self._quiet = _ENDS
                if ended in ready:
                    self._drain()
                    return True
                if ended < 0 and not self._has_output:
                    return True

    def normalise(self) -> None:
        """Keep carriage returns out of an output that is no terminal (ONLCR)."""
        if self._terminal is None or os.isatty(self._stdout):
            return
        import termios  # noqa: PLC0415

        mode = termios.tcgetattr(self._terminal)
        mode[1] &= ~termios.ONLCR
        termios.tcsetattr(self._terminal, termios.TCSANOW, mode)

    def _poll(self, ended: int, wake: int) -> dict[int, int]:
        wanted: dict[int, int] = {}
        if self._has_output:
            wanted[self._output] = select.POLLIN
        if self._terminal is not None and self._typed:
            wanted[self._terminal] = wanted.get(self._terminal, 0) | select.POLLOUT
        elif self._is_reading:
            wanted[self._stdin] = select.POLLIN
        for fd in (ended, wake):
            if fd >= 0:
                wanted[fd] = select.POLLIN
        poll = select.poll()
        for fd, events in wanted.items():
            poll.register(fd, events)
        waits = self._quiet and self._ends_left and not self._typed
        ready = dict(poll.poll(_QUIET_MILLISECONDS if waits else None))
        if not ready:
            self._end_again()
        return ready

    def _read_typed(self) -> bool:
        """Take what was typed; tell whether it was the detach keys."""
        try:
            typed = os.read(self._stdin, _CHUNK)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            typed = b""
        if not typed:
            # The end of our input is the end of its input; its output goes on.
            self._is_reading = False
            self._typed += _EOF_KEY
            self._quiet, self._ends_left = _ENDS, _MOST_ENDS
            return False
        passed, is_leaving = typed, False
        if self._keys is not None:
            passed, is_leaving = self._keys.feed(typed)
        self._typed += passed
        return is_leaving

    def _end_again(self) -> None:
        # A shell throws away what was typed before it began to edit a line, and it
        # may begin long after its input has ended: whenever it has said something.
        self._quiet -= 1
        self._ends_left -= 1
        self._typed += _EOF_KEY

    def _write_typed(self) -> None:
        if self._terminal is None:
            return
        try:
            wrote = os.write(self._terminal, self._typed[:_TYPED])
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            wrote = len(self._typed)
        self._typed = self._typed[wrote:]

    def _flush_typed(self) -> None:
        # What was typed before the keys; a container that does not read loses it.
        poll = select.poll()
        poll.register(self._terminal or 0, select.POLLOUT)
        while self._typed and poll.poll(0):
            self._write_typed()

    def _copy_output(self) -> bool:
        """Copy what is there; return False at the end."""
        try:
            data = os.read(self._output, _CHUNK)
        except BlockingIOError:
            return True
        except OSError as error:
            # A pty whose last slave was closed, a monitor that was killed.
            if error.errno not in {errno.EIO, errno.ECONNRESET}:
                raise
            return False
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._stdout, view) :]
            except BlockingIOError:
                # Somebody has made it non-blocking, and it is full.
                self._await_reader()
        return bool(data)

    def _await_reader(self) -> None:
        poll = select.poll()
        poll.register(self._stdout, select.POLLOUT)
        poll.poll()

    def _drain(self) -> None:
        if not self._has_output:
            return
        poll = select.poll()
        poll.register(self._output, select.POLLIN)
        milliseconds = int(_DRAIN_SECONDS * 1000)
        while self._has_output and poll.poll(milliseconds):
            self._has_output = self._copy_output()

    @contextlib.contextmanager
    def _raw_terminal(self) -> Iterator[None]:
        if self._terminal is None or not os.isatty(self._stdin):
            yield
            return
        import termios  # noqa: PLC0415
        import tty  # noqa: PLC0415

        before = termios.tcgetattr(self._stdin)
        try:
            # Without flushing: what was typed ahead is the container's.
            tty.setraw(self._stdin, termios.TCSADRAIN)
            yield
        finally:
            termios.tcsetattr(self._stdin, termios.TCSADRAIN, before)


def _watch(detach_keys: str, stdin: int) -> KeyWatch | None:
    """Return what looks for the keys that end a relay, where there are such."""
    if not detach_keys:
        return None
    from libcontainer.host.keys import KeyWatch, parse_keys  # noqa: PLC0415 - few have

    keys = parse_keys(detach_keys)
    return KeyWatch(keys) if os.isatty(stdin) else None
