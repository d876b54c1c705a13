# SPDX-License-Identifier: Apache-2.0
"""Standard streams and further descriptors of a process, on the caller's side."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from types import TracebackType
from typing import IO, Any, Self

from libcontainer.errors import ConfigError, Problem
from libcontainer.host.fds import above_stdio, close_all, is_open
from libcontainer.process import DEVNULL, PIPE, STDOUT, Process

_NOT_TO_GIVE = (errno.EPERM, errno.EINVAL, errno.EROFS)


class Stdio:
    """The descriptors one process gets, by its own numbers.

    Attributes:
        stdin: where the caller writes, if it asked for a pipe; else None.
        stdout: where the caller reads, likewise.
        stderr: where the caller reads, likewise.
        captured: what a monitor is to read, or -1.
    """

    def __init__(
        self, process: Process, *, terminal: bool, detached: bool = False
    ) -> None:
        self.captured = self._captures = -1
        self._detached = detached
        self.stdin: IO[Any] | None = None
        self.stdout: IO[Any] | None = None
        self.stderr: IO[Any] | None = None
        self._fds: dict[int, int] = {}
        self._opened: list[int] = []
        try:
            if not terminal:
                self._open_standard(process)
            listening = (fd for _, fd in process.listen_fds)
            for number, fd in enumerate((*listening, *process.pass_fds), start=3):
                self._fds[number] = fd
            if process.listen_fds or process.pass_fds:
                _check_open(process)
        except BaseException:
            self.close()
            raise

    def given(self, stdio: tuple[tuple[int, int], ...]) -> dict[int, int]:
        """Return slot to fd for a plan's table of descriptors."""
        return {slot: self._fds[number] for number, slot in stdio}

    def number(self, number: int) -> int:
        """Return the fd that becomes standard stream *number*."""
        return self._fds[number]

    def give_to(self, host_uid: int) -> None:
        """Make a user the owner of the standard streams that are pipes or files.

        A program that is not the caller's user may use them, but not open them
        anew, as /dev/stdout. Files are given only where they are open for
        writing; terminals, sockets and devices stay whose they are. What the
        kernel refuses stays too, as it does all for a caller without privilege: it
        is no loss of confinement. Pipes that were made here can be opened then.
        """
        if host_uid == os.geteuid():
            return
        for fd in {self._fds[number] for number in range(3) if number in self._fds}:
            if _is_to_give(fd, host_uid):
                try:
                    os.fchown(fd, host_uid, -1)
                except OSError as error:
                    if error.errno not in _NOT_TO_GIVE:
                        raise
                    self._open_to_all(fd)

    def _open_to_all(self, fd: int) -> None:
        # Who may not give a file away may still let others open it. Of a pipe that
        # was made here nobody knows but who has it; what is the caller's stays.
        if fd in self._opened and stat.S_ISFIFO(os.fstat(fd).st_mode):
            os.fchmod(fd, 0o666)

    def release(self) -> None:
        """Close what only the process needs, once it has it."""
        close_all(self._opened)
        self._opened.clear()

    def close(self) -> None:
        """Close everything, the caller's ends as well."""
        self.release()
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.release()
        else:
            self.close()

    def _open_standard(self, process: Process) -> None:
        self._fds[0] = self._open(process.stdin, 0)
        self._fds[1] = self._open(process.stdout, 1)
        if process.stderr == STDOUT:
            self._fds[2] = self._fds[1]
        else:
            self._fds[2] = self._open(process.stderr, 2)

    def _open(self, wish: Any, number: int) -> int:  # noqa: ANN401
        if wish is None and self._detached:
            return self._null(number) if number == 0 else self._capture()
        if wish is None:
            return number if is_open(number) else self._null(number)
        if wish == PIPE:
            return self._pipe(number)
        if wish == DEVNULL:
            return self._null(number)
        fd = wish if isinstance(wish, int) else int(wish.fileno())
        if not is_open(fd):
            raise _not_open(("stdin", "stdout", "stderr")[number], fd)
        return fd

    def _capture(self) -> int:
        # One pipe for both outputs keeps their order.
        if self.captured < 0:
            ends = [above_stdio(fd) for fd in os.pipe2(os.O_CLOEXEC)]
            self._opened += ends
            self.captured, self._captures = ends
        return self._captures

    def _null(self, number: int) -> int:
        mode = os.O_RDONLY if number == 0 else os.O_WRONLY
        fd = above_stdio(os.open(os.devnull, mode | os.O_CLOEXEC))
        self._opened.append(fd)
        return fd

    def _pipe(self, number: int) -> int:
        ends = [above_stdio(fd) for fd in os.pipe2(os.O_CLOEXEC)]
        read, write = ends
        if number == 0:
            self.stdin = os.fdopen(write, "wb", buffering=0)
        elif number == 1:
            self.stdout = os.fdopen(read, "rb")
        else:
            self.stderr = os.fdopen(read, "rb")
        theirs = read if number == 0 else write
        self._opened.append(theirs)
        return theirs


def _check_open(process: Process) -> None:
    """Raise what is no fd of those that are handed over besides."""
    for at, (_, fd) in enumerate(process.listen_fds):
        if not is_open(fd):
            raise _not_open(f"listen_fds[{at}]", fd)
    for at, fd in enumerate(process.pass_fds):
        if not is_open(fd):
            raise _not_open(f"pass_fds[{at}]", fd)


def _not_open(name: str, fd: int) -> ConfigError:
    return ConfigError([Problem(f"process.{name}", f"fd {fd} is not open")])


def _is_to_give(fd: int, host_uid: int) -> bool:
    status = os.fstat(fd)
    if status.st_uid == host_uid:
        return False
    if stat.S_ISFIFO(status.st_mode):
        return True
    access = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
    return stat.S_ISREG(status.st_mode) and access != os.O_RDONLY
