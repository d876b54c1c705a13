# SPDX-License-Identifier: Apache-2.0
"""Feeds and drains the pipes of a process without a deadlock."""

from __future__ import annotations

import contextlib
import os
import selectors
import time
from typing import IO, Any, Protocol

from libcontainer.errors import TimeoutExpired

_CHUNK = 65536


class Talker(Protocol):
    """What `exchange` needs of a process."""

    args: tuple[str, ...]
    stdin: IO[Any] | None
    stdout: IO[Any] | None
    stderr: IO[Any] | None

    def wait(self, timeout: float | None = None) -> object:
        """Wait for the process."""


def exchange(
    process: Talker, data: bytes | None, timeout: float | None
) -> tuple[bytes | None, bytes | None]:
    """Write *data*, read both streams to their end, wait.

    Raises:
        TimeoutExpired: with what was read so far; streams stay open.
    """
    talk = _Exchange(process, data or b"", timeout)
    try:
        talk.run()
        process.wait(talk.left())
    except TimeoutExpired:
        raise TimeoutExpired(
            list(process.args), timeout or 0.0, *talk.results()
        ) from None
    return talk.results()


class _Exchange:
    def __init__(self, process: Talker, data: bytes, timeout: float | None) -> None:
        self._process = process
        self._pending = memoryview(data)
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._chunks: dict[IO[Any], list[bytes]] = {}
        self._selector = selectors.DefaultSelector()

    def run(self) -> None:
        with self._selector:
            self._register()
            while self._selector.get_map():
                for key, _ in self._selector.select(self.left()):
                    if key.fileobj is self._process.stdin:
                        self._write(self._process.stdin)
                    else:
                        self._read(key.fileobj, key.fd)
                if self._deadline is not None and time.monotonic() >= self._deadline:
                    raise TimeoutExpired(list(self._process.args), 0.0)

    def left(self) -> float | None:
        if self._deadline is None:
            return None
        return max(0.0, self._deadline - time.monotonic())

    def results(self) -> tuple[bytes | None, bytes | None]:
        return self._result(self._process.stdout), self._result(self._process.stderr)

    def _register(self) -> None:
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None and not stream.closed:
                self._chunks[stream] = []
                self._selector.register(stream, selectors.EVENT_READ)
        stdin = self._process.stdin
        if stdin is None or stdin.closed:
            return
        if self._pending:
            os.set_blocking(stdin.fileno(), False)
            self._selector.register(stdin, selectors.EVENT_WRITE)
        else:
            _close(stdin)

    def _write(self, stdin: IO[Any]) -> None:
        try:
            sent = os.write(stdin.fileno(), self._pending[:_CHUNK])
        except BlockingIOError:
            return
        except BrokenPipeError:
            # The program reads no more; what it does without is its business.
            sent = len(self._pending)
        self._pending = self._pending[sent:]
        if not self._pending:
            self._selector.unregister(stdin)
            _close(stdin)

    def _read(self, stream: Any, fd: int) -> None:  # noqa: ANN401 - a selector's key
        data = os.read(fd, _CHUNK)
        if data:
            self._chunks[stream].append(data)
        else:
            self._selector.unregister(stream)
            stream.close()

    def _result(self, stream: IO[Any] | None) -> bytes | None:
        return None if stream is None else b"".join(self._chunks.get(stream, []))


def _close(stream: IO[Any]) -> None:
    with contextlib.suppress(BrokenPipeError):
        stream.close()
