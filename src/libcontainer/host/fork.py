# SPDX-License-Identifier: Apache-2.0
"""What may not be used in a fork of the process that made it."""

from __future__ import annotations

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
