# SPDX-License-Identifier: Apache-2.0
"""Talks with CRIU: one program for one request, over a socket of its own."""

from __future__ import annotations

import array
import contextlib
import errno
import os
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from libcontainer.checkpoint.cgroup_options import read_options, restore_options
from libcontainer.checkpoint.rpc import Request, decode, encode
from libcontainer.errors import CriuError, UnsupportedError

_MESSAGE: Final = 64 * 1024
_MAX_FDS: Final = 4
_TAIL: Final = 12

Notify = Callable[[str, int, list[int]], None]
"""Called with the name of a moment, a pid as CRIU sees it, and fds that belong to
the callee from then on. An exception makes CRIU undo everything."""


def find_criu(name: str) -> str:
    """Return the path of the program.

    Raises:
        UnsupportedError: there is none, or the caller may not use it.
    """
    if os.geteuid() != 0:
        raise UnsupportedError("checkpoint and restore", "root: CRIU needs it")
    path = name if "/" in name else shutil.which(name)
    if path is None or not os.access(path, os.X_OK):
        need = f"the program {name!r}: install criu, or name it in CriuOptions.criu"
        raise UnsupportedError("checkpoint and restore", need)
    return path


class Criu:
    """One CRIU, for one request.

    Args:
        path: the program.
        timeout: seconds until it is ended.
        keep: fds of the caller that it is to have, by the same numbers.
    """

    def __init__(self, path: str, *, timeout: float, keep: Sequence[int] = ()) -> None:
        self._deadline = time.monotonic() + timeout
        self._cgroup_options = read_options()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket = ours
        try:
            # CRIU reads neither its standard streams nor our environment.
            self._program = subprocess.Popen(
                [path, "swrk", str(theirs.fileno())],
                pass_fds=[theirs.fileno(), *keep],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            )
        except OSError as error:
            ours.close()
            text = error.strerror or ""
            raise CriuError(f"start {path!r}", text, errno=error.errno) from error
        finally:
            theirs.close()

    @property
    def pid(self) -> int:
        """Its host pid."""
        return self._program.pid

    def ask(
        self,
        kind: Request,
        options: dict[str, Any] | None = None,
        notify: Notify | None = None,
    ) -> dict[str, Any]:
        """Make the request and return the answer.

        Raises:
            CriuError: CRIU could not do it, with its own words.
            BaseException: what *notify* has raised, after CRIU has undone all.
        """
        self._send({"type": int(kind), "opts": options})
        raised: list[BaseException] = []
        while True:
            answer, fds = self._receive(kind)
            if answer.get("type") != Request.NOTIFY:
                _close(fds)
                break
            self._tell(answer.get("notify", {}), fds, notify, raised)
        if raised:
            raise raised[0]
        if not answer.get("success"):
            number = answer.get("cr_errno") or None
            text = _telling(answer.get("cr_errmsg", "").splitlines())
            raise CriuError(kind.name.lower().replace("_", "-"), text, errno=number)
        return answer

    def close(self) -> None:
        """End the program and reap it, and undo what it did to the machine."""
        self._socket.close()
        try:
            self._program.wait(max(0.1, min(5.0, self._deadline - time.monotonic())))
        except subprocess.TimeoutExpired:
            self._program.kill()
            self._program.wait()
        restore_options(self._cgroup_options)

    def __enter__(self) -> Criu:  # noqa: PYI034 - not to be derived from
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _tell(
        self,
        message: dict[str, Any],
        fds: list[int],
        notify: Notify | None,
        raised: list[BaseException],
    ) -> None:
        try:
            if notify is None or raised:
                _close(fds)
            else:
                notify(message.get("script", ""), message.get("pid", 0), fds)
        except BaseException as error:
            raised.append(error)
        self._send({"type": int(Request.NOTIFY), "notify_success": not raised})

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._socket.send(encode("request", message), socket.MSG_NOSIGNAL)
        except OSError as error:
            raise CriuError("talk", "it has ended", errno=error.errno) from error

    def _receive(self, kind: Request) -> tuple[dict[str, Any], list[int]]:
        what = kind.name.lower().replace("_", "-")
        left = self._deadline - time.monotonic()
        if left <= 0 or not select.select([self._socket], [], [], left)[0]:
            self._program.kill()
            raise CriuError(what, "it took too long", errno=errno.ETIMEDOUT)
        data, fds = _receive(self._socket)
        if not data:
            _close(fds)
            raise CriuError(what, "it ended without an answer")
        try:
            return decode("response", data), fds
        except ValueError as error:
            _close(fds)
            raise CriuError(what, f"its answer cannot be read: {error}") from error


def _receive(end: socket.socket) -> tuple[bytes, list[int]]:
    numbers = array.array("i")
    space = socket.CMSG_SPACE(_MAX_FDS * numbers.itemsize)
    data, notes, _, _ = end.recvmsg(_MESSAGE, space, socket.MSG_CMSG_CLOEXEC)
    for level, kind, note in notes:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers.frombytes(note[: len(note) - len(note) % numbers.itemsize])
    return data, list(numbers)


def _close(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)


def _telling(lines: Sequence[str]) -> str:
    # CRIU tries to raise a limit first, and goes on where it may not.
    return "\n".join([line for line in lines if "RLIMIT_NOFILE" not in line][-_TAIL:])


def log_tail(folder: int, name: str) -> str:
    """Return what CRIU wrote of its failure: the errors, or the end of its log.

    Args:
        folder: fd of its work directory.
        name: of the log.
    """
    with contextlib.suppress(OSError):
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        with open(fd, errors="replace") as file:
            lines = file.read(16 * 1024 * 1024).splitlines()
        return _telling([line for line in lines if "Error" in line]) or _telling(lines)
    return ""
