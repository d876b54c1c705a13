# SPDX-License-Identifier: Apache-2.0
"""A running process of a container: its streams, its signals, its end."""

from __future__ import annotations

import contextlib
import os
import signal as signals
import threading
import time
import warnings
from collections.abc import Generator
from typing import IO, TYPE_CHECKING, Any, Self

from libcontainer.bindings.pidfd import pidfd_send_signal
from libcontainer.host.children import (
    ExitStatus,
    any_ended,
    has_ended,
    last_status,
    read_status,
    reap,
)
from libcontainer.host.fds import close_all
from libcontainer.host.fork import check_same_process

if TYPE_CHECKING:
    from collections.abc import Callable

    from libcontainer.host.exitrecord import ExitRecord
    from libcontainer.host.relay import Relay
    from libcontainer.host.seccomp_notify import NotifyServer
    from libcontainer.host.stdio import Stdio
    from libcontainer.host.streams import Exchange
    from libcontainer.state import ProcessRecord


# One that has ended is sometimes not given to us yet: a debugger has it first.
_RETRY_SECONDS = 0.005


class ProcessHandle:
    """A process that was started in a container.

    It is of the process that started it: a fork of that may only close it.

    Made by `Container.run`, `Container.prepare` and `Container.exec`. It may
    be shared between threads. Leaving it as a context manager closes its
    streams and waits for the process, as `subprocess.Popen` does. Under asyncio
    ``await handle`` waits and returns what `wait` does; no thread waits, but for what
    the monitor of a detached container writes down.

    Attributes:
        args: what was run.
        host_pid: its pid in the pid namespace of the caller.
        stdin: a writable binary file if PIPE was asked for, else None.
        stdout: a readable binary file if PIPE was asked for, else None.
        stderr: a readable binary file if PIPE was asked for, else None.
        terminal: fd of the terminal's master, or None without a terminal.
        notifier: who answers its seccomp notifications, or None.
        record: what its container has written down of it, if it is the init process.
    """

    def __init__(  # noqa: PLR0913 - made by the launcher alone
        self,
        args: tuple[str, ...],
        *,
        pidfd: int,
        host_pid: int,
        terminal: int | None = None,
        stdio: Stdio | None = None,
        companions: list[ProcessHandle] | None = None,
        status: int = -1,
        record: ExitRecord | None = None,
        notifier: NotifyServer | None = None,
        made: list[ProcessHandle] | None = None,
    ) -> None:
        # Until the end of this the fds are the launch's, which closes them.
        self._is_owner = False
        self.args = args
        self.host_pid = host_pid
        self.record: ProcessRecord | None = None
        self.terminal = terminal
        self.stdin: IO[Any] | None = stdio.stdin if stdio else None
        self.stdout: IO[Any] | None = stdio.stdout if stdio else None
        self.stderr: IO[Any] | None = stdio.stderr if stdio else None
        # The first process of a pid namespace can end only when every other
        # has been reaped, and those that joined are children of ours as well.
        self._companions = [] if companions is None else companions
        # Ends by itself, when the last process with the filter is gone.
        self.notifier = notifier
        # Removes what was made for the process alone.
        self.on_end: Callable[[], None] | None = None
        self._is_closed = False
        self._record = record
        self._pidfd = pidfd
        # What init says of the program that is its child, see `Config.init`.
        self._status_fd = status
        self._status: ExitStatus | None = None
        # A signal handler may come in the middle of a method, and call another: that
        # must not wait for ever, nor close the pidfd that the first one uses.
        self._lock = threading.RLock()
        self._in_use = 0
        self._talk: Exchange | None = None
        self._maker = os.getpid()
        if made is not None:
            made.append(self)
        # One instruction, between which and the next an interrupt may come: from here
        # on whoever finds it in *made* ends it by this, and not by the launch.
        self._is_owner = True

    def __repr__(self) -> str:
        state = "running" if self._status is None else repr(self._status)
        return f"<ProcessHandle {list(self.args)!r} host_pid={self.host_pid} {state}>"

    @property
    def shown_state(self) -> str:
        """What was last seen of it, in words; makes no system call."""
        status = self._status
        if status is None:
            return "running"
        if status.signal is not None:
            return f"ended by signal {status.signal}"
        return f"ended with code {status.code}"

    @property
    def pidfd(self) -> int:
        """The process as an fd for `select`, owned by this handle; -1 once reaped."""
        return self._pidfd

    @property
    def is_own(self) -> bool:
        """Whether this process has started it, and is no fork of the one that has."""
        return os.getpid() == self._maker

    @property
    def is_reaped(self) -> bool:
        """Whether its end has been seen; makes no system call."""
        return self._status is not None

    @property
    def returncode(self) -> int | None:
        """As `subprocess`: None while it runs, exit code, or minus the signal.

        It is what `poll` or `wait` saw last; reading it makes no system call.
        """
        return None if self._status is None else self._status.returncode

    def has_ended(self) -> bool:
        """Tell whether the process has ended; it is not reaped."""
        with self._lock:
            self._in_use += 1
            try:
                return self._pidfd < 0 or has_ended(self._pidfd)
            finally:
                self._in_use -= 1

    def poll(self) -> ExitStatus | None:
        """Return how the process ended, or None while it runs.

        Raises:
            ForkedError: it is a handle of a process that this is a fork of.
        """
        check_same_process(self._maker, "a process handle")
        with self._lock:
            self.reap()
            if self._status is not None and self._pidfd >= 0 and not self._in_use:
                self._close_pidfd()
            return self._status

    def reap(self) -> bool:
        """Reap the process if it has ended, and tell; its pidfd stays open.

        It is for who does not own the handle: an owner may be waiting for the pidfd.
        """
        with self._lock:
            if self._status is None and self._pidfd >= 0:
                self._in_use += 1
                try:
                    status = self._look()
                finally:
                    self._in_use -= 1
                # A handler may have looked meanwhile; of two the one that was told.
                if self._status in (None, ExitStatus()):
                    self._status = status
            if self._status is not None and self.on_end is not None:
                on_end, self.on_end = self.on_end, None
                on_end()
            return self._status is not None

    def _look(self) -> ExitStatus | None:
        record = self._record
        if record is None or record.monitor is None:
            status = reap(self._pidfd)
            if status is None:
                return None
            status = self._take_status() or status
            if record is not None:
                record.write(status)
            return status
        if not has_ended(self._pidfd):
            return None
        return self._take_status() or record.settle() or last_status(self._pidfd)

    def wait(self, timeout: float | None = None) -> ExitStatus:
        """Wait until the process has ended; return how.

        Any number of threads may wait. Nobody else's child is ever reaped.

        Args:
            timeout: seconds to wait at most; None is for ever.

        Raises:
            TimeoutExpired: it still runs.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        waited = False
        while True:
            status = self.poll()
            if status is not None:
                return status
            self._reap_companions()
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if waited and self.has_ended():
                time.sleep(_RETRY_SECONDS)
                is_time_up = left == 0.0
            else:
                is_time_up = not self._await_end(left)
            if is_time_up:
                from libcontainer.errors import TimeoutExpired  # noqa: PLC0415 - rare

                raise TimeoutExpired(list(self.args), timeout or 0.0)
            waited = True

    def __await__(self) -> Generator[Any, None, ExitStatus]:
        """Wait under asyncio: ``status = await handle``."""
        return self._wait_in_loop().__await__()

    async def _wait_in_loop(self) -> ExitStatus:
        # Loaded here: asyncio takes longer to load than a launch takes.
        from asyncio import sleep  # noqa: PLC0415

        from libcontainer.host.loop import any_readable  # noqa: PLC0415

        waited = False
        while (status := await self._poll_in_loop()) is None:
            if waited and self.has_ended():
                await sleep(_RETRY_SECONDS)
            waited = True
            self._reap_companions()
            pidfds = self._duplicates()
            try:
                if pidfds:
                    await any_readable(pidfds)
            finally:
                close_all(pidfds)
        return status

    async def _poll_in_loop(self) -> ExitStatus | None:
        record = self._record
        if record is None or record.monitor is None or not self.has_ended():
            return self.poll()
        from asyncio import get_running_loop  # noqa: PLC0415

        # How it has ended is written down by its monitor, which may be stopped.
        return await get_running_loop().run_in_executor(None, self.poll)

    def _reap_companions(self) -> None:
        for other in tuple(self._companions):
            if other.is_own and other.poll() is not None:
                with contextlib.suppress(ValueError):
                    self._companions.remove(other)

    def _await_end(self, timeout: float | None) -> bool:
        """Wait until this process or a companion has ended; tell if one has."""
        pidfds = self._duplicates()
        try:
            return not pidfds or any_ended(pidfds, timeout)
        finally:
            close_all(pidfds)

    def _duplicates(self) -> list[int]:
        """Return pidfds of this process and of its companions; none if it is reaped."""
        found: list[int] = []
        try:
            for handle in (self, *self._companions):
                fd = handle.duplicate()
                if fd >= 0:
                    found.append(fd)
                elif handle is self:
                    break
        except BaseException:
            close_all(found)
            raise
        return found

    def duplicate(self) -> int:
        """Return a new pidfd of the process for the caller to close; -1 once reaped."""
        # Another thread may reap the process and close its pidfd meanwhile.
        with self._lock:
            return os.dup(self._pidfd) if self._pidfd >= 0 else -1

    def signal(self, number: int | str) -> None:
        """Send a signal to this process alone.

        The first process of a pid namespace ignores what it has no handler
        for, except SIGKILL and SIGSTOP (pid_namespaces(7)).

        Args:
            number: ``15``, ``"SIGTERM"``, ``"TERM"`` or ``"term"``.

        Raises:
            ProcessLookupError: the process has ended.
            ValueError: there is no such signal.
        """
        sig = signal_number(number)
        check_same_process(self._maker, "a process handle")
        with self._lock:
            if self._pidfd < 0:
                message = f"process {self.host_pid} has ended"
                raise ProcessLookupError(message)
            self._in_use += 1
            try:
                pidfd_send_signal(self._pidfd, sig)
            finally:
                self._in_use -= 1

    def terminate(self) -> None:
        """Send SIGTERM; a process that has ended is passed over."""
        with contextlib.suppress(ProcessLookupError):
            self.signal(signals.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL; a process that has ended is passed over."""
        with contextlib.suppress(ProcessLookupError):
            self.signal(signals.SIGKILL)

    def communicate(
        self,
        input: bytes | None = None,  # noqa: A002 - as subprocess
        timeout: float | None = None,
    ) -> tuple[bytes | None, bytes | None]:
        """Write *input*, read both streams to their end, wait for the process.

        After a timeout it may be called again, without *input*: nothing is lost.

        Raises:
            TimeoutExpired: it took longer; what was read so far is in the
                error's ``output`` and ``stderr``. The process still runs.
            ValueError: *input* in a call that goes on with another.
        """
        # Loaded here: most processes write to nobody.
        from libcontainer.host.streams import Exchange  # noqa: PLC0415

        if self._talk is None:
            self._talk = Exchange(self, input or b"")
        elif input:
            message = "cannot send input after communication has begun"
            raise ValueError(message)
        return self._talk.run(timeout)

    def relay(self, *, stdin: int = 0, stdout: int = 1, detach_keys: str = "") -> bool:
        """Stand in for a process with a terminal until it has ended.

        What is read from *stdin* is typed, what the process writes goes to
        *stdout*. The caller's terminal is raw meanwhile and has its mode back
        afterwards, whatever happens; of the caller nothing else is changed. To
        pass on a new window size, use `make_relay` and call its ``resize``.

        Args:
            stdin: fd that is read.
            stdout: fd that is written to.
            detach_keys: keys that end the relay, as ``ctrl-p,ctrl-q``; empty is
                none. The process runs on.

        Returns:
            Whether the process has ended; it still has to be waited for.

        Raises:
            ValueError: the process has no terminal, or there are no such keys.
        """
        if self.terminal is None:
            message = "the process has no terminal"
            raise ValueError(message)
        relay = self.make_relay(stdin=stdin, stdout=stdout, detach_keys=detach_keys)
        return relay.run(self._pidfd)

    def make_relay(
        self, *, stdin: int = 0, stdout: int = 1, detach_keys: str = ""
    ) -> Relay:
        """Return the relay of `relay`, for who has signals to wait for as well."""
        # Loaded here: most processes have no terminal.
        from libcontainer.host.relay import Relay  # noqa: PLC0415

        return Relay(
            -1 if self.terminal is None else self.terminal,
            terminal=self.terminal,
            stdin=stdin,
            stdout=stdout,
            detach_keys=detach_keys,
        )

    def write_pid_file(self, path: str | os.PathLike[str]) -> None:
        """Write `host_pid` into a file, which appears with all its content.

        Args:
            path: a host path; a file that is there is replaced.

        Raises:
            OSError: it cannot be written; nothing is left behind.
        """
        from libcontainer.host.pidfile import write_pid_file  # noqa: PLC0415

        write_pid_file(os.fspath(path), self.host_pid)

    def close(self) -> None:
        """Close the streams and the terminal; the process goes on.

        It can still be waited for: a child that nobody reaps would keep the
        container's init from ending.
        """
        self._is_closed = True
        self._close_streams()
        terminal, self.terminal = self.terminal, None
        if terminal is not None:
            os.close(terminal)
        if not self.is_reaped and self.is_own:
            self.poll()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_own:
            self._close_streams()
            self.wait()
        self.close()

    def __reduce__(self) -> str:
        message = "a process handle cannot be pickled: it owns the process"
        raise TypeError(message)

    def __del__(self) -> None:
        if not getattr(self, "_is_owner", False):
            return
        if self.terminal is not None:
            os.close(self.terminal)
        if self._pidfd >= 0:
            detached = self._record is not None and self._record.monitor is not None
            lost = self._status is None and not self._is_closed and not detached
            if lost and self.is_own:
                warnings.warn(
                    f"process {self.host_pid} was not waited for",
                    ResourceWarning,
                    source=self,
                    stacklevel=2,
                )
            os.close(self._pidfd)
            if self._status_fd >= 0:
                os.close(self._status_fd)

    def _close_streams(self) -> None:
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                # What was not written yet has nobody to read it.
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def _take_status(self) -> ExitStatus | None:
        """Return how the program of an `init` ended, which hides its signals."""
        fd, self._status_fd = self._status_fd, -1
        if fd < 0:
            return None
        try:
            return read_status(fd)
        finally:
            os.close(fd)

    def _close_pidfd(self) -> None:
        pidfd, self._pidfd = self._pidfd, -1
        if pidfd >= 0:
            os.close(pidfd)


def _named_signal(name: str) -> int | None:
    for border in ("RTMIN", "RTMAX"):
        sign, digits = name[len(border) :][:1], name[len(border) + 1 :]
        if name.startswith(border) and sign:
            if sign not in "+-" or not digits.isdigit() or len(digits) > 2:
                return None
            number = int(getattr(signals, f"SIG{border}")) + int(sign + digits)
            return number if signals.SIGRTMIN <= number <= signals.SIGRTMAX else None
    # Not by its enumeration, which takes longer to load than to send a signal.
    found = getattr(signals, f"SIG{name}", None) if name.isalnum() else None
    return None if found is None else int(found)


def signal_number(signal: int | str) -> int:
    """Return the number of a signal given by number or name, ``RTMIN+3`` too.

    Raises:
        ValueError: there is no such signal.
    """
    if isinstance(signal, str) and not signal.isascii():
        message = f"unknown signal {signal!r}"
        raise ValueError(message)
    if isinstance(signal, str) and not signal.isdigit():
        number = _named_signal(signal.upper().removeprefix("SIG"))
        if number is None:
            message = f"unknown signal {signal!r}"
            raise ValueError(message)
        return number
    number = int(signal)
    if number not in range(signals.NSIG):
        message = f"signal {number} is not from 0 to {signals.NSIG - 1}"
        raise ValueError(message)
    return number
