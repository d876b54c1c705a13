# SPDX-License-Identifier: Apache-2.0
"""Companions of a container: programs beside it that live as long as it does.

A user-mode network is one, and so is a proxy. A companion belongs to the container
and not to the program that made it, which may end before. Its keeper, a small process
of its own (`libcontainer.host.keeper`), ends it when init ends; both are in
``state.json``, so whoever deletes the container ends them too.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final, Self

from libcontainer.errors import NetworkError, TimeoutExpired, UnsupportedError
from libcontainer.host import keeper
from libcontainer.host.children import kill_and_reap
from libcontainer.host.processref import ProcessRef, record_of
from libcontainer.network.base import Companion
from libcontainer.state import ProcessRecord

_SECONDS: Final = 15.0
_ABOVE: Final = 10
_TEXT: Final = 2000
_ENVIRONMENT: Final = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"}

Journal = Callable[[tuple[ProcessRecord, ...]], None]


class Companions:
    """The companions of one container.

    Attributes:
        records: who they are, and their keepers.
    """

    def __init__(self, journal: Journal) -> None:
        """Take what writes the records down."""
        self.records: tuple[ProcessRecord, ...] = ()
        self._journal = journal

    def start(self, companion: Companion, init: int) -> None:
        """Start one, and wait until it says that it is ready.

        Args:
            companion: what is to run.
            init: pidfd of the container's init.

        Raises:
            NetworkError: it ended before it was ready; with its own words.
            UnsupportedError: there is no interpreter to keep it, or no init yet.
        """
        if init < 0:
            raise UnsupportedError(companion.what, "a launch: it is not restored")
        with _Ends(companion.what) as ends:
            command = [_interpreter(companion.what), "-I", "-S", keeper.__file__]
            command += map(str, (init, ends.report[1], ends.ready[1], companion.ready))
            given = (init, ends.report[1], ends.ready[1], *companion.fds)
            started = subprocess.Popen(
                [*command, *companion.program],
                stdin=subprocess.DEVNULL if companion.stdin < 0 else companion.stdin,
                stdout=ends.messages,
                stderr=ends.messages,
                pass_fds=given,
                env=_ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
            # From here on it is waited for by pidfd, as every process of ours.
            started.returncode = 0
            self._note(started.pid)
            ends.close_theirs()
            self._note(int(ends.await_word(ends.report[0])))
            ends.await_word(ends.ready[0])

    def _note(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.records = (*self.records, record_of(pid))
            self._journal(self.records)

    def end(self) -> None:
        """End all of them."""
        end_companions(self.records)
        self.records = ()


def end_companions(records: Sequence[ProcessRecord]) -> None:
    """End the companions of a container; those that have ended are passed over.

    Raises:
        TimeoutExpired: one does not end.
    """
    for record in reversed(records):
        with ProcessRef.open(record) as found:
            if found is not None and not kill_and_reap(found.pidfd, timeout=_SECONDS):
                raise TimeoutExpired("kill of a companion", _SECONDS)


class _Ends:
    """The ends of pipes of one start, and where messages of the program go."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._deadline = time.monotonic() + _SECONDS

    def __enter__(self) -> Self:
        self._opened: list[int] = []
        flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
        self.messages = self._own(os.memfd_create("libcontainer-messages", flags))
        self.report = self._pipe()
        self.ready = self._pipe()
        return self

    def __exit__(self, *_: object) -> None:
        # What it says later would fill memory: nobody reads it any more.
        seals = fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK
        fcntl.fcntl(self.messages, fcntl.F_ADD_SEALS, seals)
        for fd in self._opened:
            os.close(fd)

    def _own(self, fd: int) -> int:
        # Above every number that a program is promised.
        high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _ABOVE)
        os.close(fd)
        self._opened.append(high)
        return high

    def _pipe(self) -> tuple[int, int]:
        read, write = os.pipe2(os.O_CLOEXEC)
        return self._own(read), self._own(write)

    def close_theirs(self) -> None:
        """Close what the program has now, so that its end is seen."""
        for fd in (self.report[1], self.ready[1]):
            self._opened.remove(fd)
            os.close(fd)

    def await_word(self, fd: int) -> bytes:
        """Return what is said by a pipe.

        Raises:
            NetworkError: nothing, in time.
        """
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        left = max(0.0, self._deadline - time.monotonic())
        if not poll.poll(int(left * 1000)):
            raise NetworkError(errno.ETIMEDOUT, self._what, hint=self._said())
        word = os.read(fd, 64)
        if not word:
            raise NetworkError(errno.EIO, self._what, hint=self._said())
        return word

    def _said(self) -> str:
        text = os.pread(self.messages, _TEXT, 0).decode(errors="replace")
        return f"the program says: {' '.join(text.split())}"


def _interpreter(what: str) -> str:
    if not sys.executable or getattr(sys, "frozen", False):
        raise UnsupportedError(what, "a Python interpreter as a program of its own")
    return sys.executable
