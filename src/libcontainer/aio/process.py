# SPDX-License-Identifier: Apache-2.0
"""A running process of a container, for a program with an event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Coroutine
from typing import IO, Any, Self, TypeVar

from libcontainer.errors import TimeoutExpired
from libcontainer.handle import ProcessHandle
from libcontainer.host.children import ExitStatus

_CHUNK = 65536

T = TypeVar("T")


class AsyncProcess:
    """A process that was started in a container, under asyncio.

    Made by `Container.arun`, `Container.aexec` and `AsyncProcess.connect`. Its end
    is told to the loop by its pidfd: there is no thread, and no child watcher. It
    is of the loop in which it was made. Left as an asynchronous context manager by
    an exception it is killed; else its streams are closed and it is waited for.

    Attributes:
        handle: the same process; its streams are this object's.
        stdin: an `asyncio.StreamWriter` if PIPE was asked for, else None.
        stdout: an `asyncio.StreamReader` if PIPE was asked for, else None.
        stderr: the same for its errors.
    """

    def __init__(self, handle: ProcessHandle) -> None:
        self.handle = handle
        self.stdin: asyncio.StreamWriter | None = None
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None
        self._transports: list[asyncio.BaseTransport] = []
        self._read: dict[asyncio.StreamReader, list[bytes]] = {}
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def connect(cls, handle: ProcessHandle) -> Self:
        """Take a process, and its pipes, over into the running loop."""
        made = cls(handle)
        try:
            # The loop has it from here on, and closes it with its transport.
            pipe, handle.stdin = handle.stdin, None
            made.stdin = await made._writer(pipe)
            pipe, handle.stdout = handle.stdout, None
            made.stdout = await made._reader(pipe)
            pipe, handle.stderr = handle.stderr, None
            made.stderr = await made._reader(pipe)
        except BaseException:
            made.close()
            raise
        return made

    def __repr__(self) -> str:
        return f"<AsyncProcess of {self.handle!r}>"

    @property
    def args(self) -> tuple[str, ...]:
        """What was run."""
        return self.handle.args

    @property
    def host_pid(self) -> int:
        """Its pid in the pid namespace of the caller."""
        return self.handle.host_pid

    @property
    def returncode(self) -> int | None:
        """As `subprocess`: None while it runs, exit code, or minus the signal.

        Each time it is read the kernel is asked.
        """
        status = self.handle.poll()
        return None if status is None else status.returncode

    async def wait(self, timeout: float | None = None) -> ExitStatus:
        """Wait until the process has ended; return how.

        Raises:
            TimeoutExpired: it still runs after *timeout* seconds.
        """
        return await self._within(timeout, self.handle)

    async def communicate(
        self,
        input: bytes | None = None,  # noqa: A002 - as subprocess
        timeout: float | None = None,
    ) -> tuple[bytes | None, bytes | None]:
        """Write *input*, read both streams to their end, wait for the process.

        After a timeout, or when it was cancelled, it may be called again, without
        *input*: nothing that was read is lost.

        Raises:
            TimeoutExpired: it took longer than *timeout* seconds; what was read so
                far is in the error's ``output`` and ``stderr``.
        """
        parts = [self._drain(r) for r in (self.stdout, self.stderr) if r is not None]
        parts.append(self._feed(input))
        parts.append(self._wait_for_end())
        try:
            await self._within(timeout, _all(parts))
        except TimeoutExpired as error:
            error.output, error.stderr = self._results()
            raise
        self._close_transports()
        return self._results()

    def signal(self, number: int | str) -> None:
        """Send a signal; see `ProcessHandle.signal`."""
        self.handle.signal(number)

    def terminate(self) -> None:
        """Send SIGTERM; a process that has ended is passed over."""
        self.handle.terminate()

    def kill(self) -> None:
        """Send SIGKILL; a process that has ended is passed over."""
        self.handle.kill()

    def close(self) -> None:
        """Let go of the streams; the process goes on."""
        self._close_transports()
        self.handle.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self.kill()
        self._close_transports()
        try:
            await self.wait()
        finally:
            self.close()

    def __reduce__(self) -> str:
        message = "an AsyncProcess cannot be pickled: it owns the process"
        raise TypeError(message)

    # -- parts

    async def _wait_for_end(self) -> None:
        await self.handle

    async def _within(self, timeout: float | None, work: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(timeout):
                return await work
        except TimeoutError:
            raise TimeoutExpired(list(self.args), timeout or 0.0) from None

    # -- its streams

    def _close_transports(self) -> None:
        for transport in self._transports:
            transport.close()
        self._transports.clear()

    async def _reader(self, pipe: IO[Any] | None) -> asyncio.StreamReader | None:
        if pipe is None:
            return None
        reader = asyncio.StreamReader(loop=self._loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=self._loop)
        await self._take(self._loop.connect_read_pipe(lambda: protocol, pipe))
        return reader

    async def _writer(self, pipe: IO[Any] | None) -> asyncio.StreamWriter | None:
        if pipe is None:
            return None
        # Its flow control is what a writer needs; nothing is ever read by it.
        protocol = asyncio.StreamReaderProtocol(
            asyncio.StreamReader(loop=self._loop), loop=self._loop
        )
        taking = self._loop.connect_write_pipe(lambda: protocol, pipe)
        transport = await self._take(taking)
        return asyncio.StreamWriter(transport, protocol, None, self._loop)

    async def _take(self, taking: Coroutine[Any, Any, tuple[Any, Any]]) -> Any:  # noqa: ANN401
        """Return the transport of a pipe; a cancellation waits until the loop has it.

        That is a turn of the loop or two. One that is cancelled in between, uvloop has
        closed the fd and not the file, which closes it once more.
        """
        task = self._loop.create_task(taking)
        cancelled: asyncio.CancelledError | None = None
        while not task.done():
            try:
                await asyncio.wait((task,))
            except asyncio.CancelledError as error:
                cancelled = error
        transport, _ = task.result()
        self._transports.append(transport)
        if cancelled is not None:
            raise cancelled
        return transport

    async def _drain(self, reader: asyncio.StreamReader) -> None:
        chunks = self._read.setdefault(reader, [])
        while data := await reader.read(_CHUNK):
            chunks.append(data)

    async def _feed(self, data: bytes | None) -> None:
        if self.stdin is None:
            return
        # A program that reads no more goes on without.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if data:
                self.stdin.write(data)
            await self.stdin.drain()
        # What is still buffered is written first.
        self.stdin.close()

    def _results(self) -> tuple[bytes | None, bytes | None]:
        return self._result(self.stdout), self._result(self.stderr)

    def _result(self, reader: asyncio.StreamReader | None) -> bytes | None:
        return None if reader is None else b"".join(self._read.get(reader, []))


async def _all(parts: list[Coroutine[Any, Any, None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for part in parts:
            group.create_task(part)
