# SPDX-License-Identifier: Apache-2.0
"""What may not be used in a fork of the process that made it."""

from __future__ import annotations

import contextlib
import os
import threading

from libcontainer.errors import ForkedError


def check_same_process(pid: int, what: str) -> None:
    """Refuse to use *what* in another process than *pid*, which has made it.

    Raises:
        ForkedError: this is a fork of it.
    """
    if os.getpid() != pid:
        raise ForkedError(what, pid)


_kept_from_forks: set[int] = set()


def keep_from_forks(fd: int) -> None:
    """Let forks of the program, by other threads, close *fd*; until `allow_forks`.

    It is for the far end of a connection whose end somebody waits for: a fork that does
    not execute anything would hold it open for as long as it lives.
    """
    _kept_from_forks.add(fd)


def allow_forks(fd: int) -> None:
    """Let *fd* be as any other from here on."""
    _kept_from_forks.discard(fd)


def _close_kept() -> None:
    while _kept_from_forks:
        with contextlib.suppress(OSError):
            os.close(_kept_from_forks.pop())


os.register_at_fork(after_in_child=_close_kept)


class ForkedLock:
    """A lock that a fork of the program gets anew.

    Another thread may have held it when the program forked, and is not there to
    let go of it.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if self._pid != os.getpid():
            self._pid, self._lock = os.getpid(), threading.Lock()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
