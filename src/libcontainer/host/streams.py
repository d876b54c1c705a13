# SPDX-License-Identifier: Apache-2.0
"""Feeds and drains the pipes of a process without a deadlock."""

from __future__ import annotations

import contextlib
import os
import selectors
import time
from collections.abc import Sequence
from typing import IO, Any, Protocol

from libcontainer.errors import TimeoutExpired

_CHUNK = 65536
_LONGEST_SECONDS = 1_000_000.0
# How long what is left in the pipes of a killed program is waited for.
_REST_SECONDS = 10.0


class Talker(Protocol):
    """What `Exchange` needs of a process."""

    stdin: IO[Any] | None
    stdout: IO[Any] | None
    stderr: IO[Any] | None

    @property
    def args(self) -> str | bytes | Sequence[str]:
        """What was run."""

    def wait(self, timeout: float | None = None) -> object:
        """Wait for the process."""


class Exchange:
    """A talk with a process, which may be gone on with after a timeout.

    Its streams may be buffered and may be text: what passes is bytes.
    """

    def __init__(self, process: Talker, data: bytes) -> None:
        self._process = process
        self._pending = memoryview(data)
        self._deadline: float | None = None
        self._chunks: dict[IO[Any], list[bytes]] = {}
        self._selector: selectors.BaseSelector

    def run(self, timeout: float | None) -> tuple[bytes | None, bytes | None]:
        """Go on until both streams and the process have ended.

        Returns:
            All that was read, by every call.

        Raises:
            TimeoutExpired: with the same; streams stay open.
        """
        self._deadline = None if timeout is None else time.monotonic() + timeout
        try:
            self._pass_on()
            self._process.wait(self._left())
        except TimeoutExpired:
            args = self._process.args
            command = args if isinstance(args, str | bytes) else list(args)
            raise TimeoutExpired(command, timeout or 0.0, *self._results()) from None
        return self._results()

    def finish(self, error: TimeoutExpired) -> None:
        """Put what a process that was killed has still written into *error*."""
        try:
            error.output, error.stderr = self.run(_REST_SECONDS)
        except TimeoutExpired as again:
            # Somebody else holds its pipes.
            error.output, error.stderr = again.output, again.stderr

    def _pass_on(self) -> None:
        self._selector = selectors.DefaultSelector()
        with self._selector:
            self._register()
            while self._selector.get_map():
                left = self._left()
                # epoll(7) takes no more than 24 days at once.
                wait = None if left is None else min(left, _LONGEST_SECONDS)
                for key, _ in self._selector.select(wait):
                    if key.fileobj is self._process.stdin:
                        self._write(self._process.stdin)
                    else:
                        self._read(key.fileobj, key.fd)
                if self._deadline is not None and time.monotonic() >= self._deadline:
                    raise TimeoutExpired(self._process.args, 0.0)

    def _left(self) -> float | None:
        if self._deadline is None:
            return None
        return max(0.0, self._deadline - time.monotonic())

    def _results(self) -> tuple[bytes | None, bytes | None]:
        return self._result(self._process.stdout), self._result(self._process.stderr)

    def _register(self) -> None:
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None and not stream.closed:
                self._chunks.setdefault(stream, [])
                self._selector.register(stream, selectors.EVENT_READ)
        stdin = self._process.stdin
        if stdin is None or stdin.closed:
            return
        with contextlib.suppress(BrokenPipeError):
            stdin.flush()
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
