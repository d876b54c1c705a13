# SPDX-License-Identifier: Apache-2.0
"""One interpreter in a container that answers calls, by a socket."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from libcontainer.calls.inside import PICKLED, PLAIN, SIZE
from libcontainer.calls.outcome import decode
from libcontainer.calls.python import this_python
from libcontainer.calls.sending import encode_call
from libcontainer.errors import CallError, CallFailedError, TimeoutExpired
from libcontainer.handle import ProcessHandle
from libcontainer.host.fds import above_stdio
from libcontainer.host.sockets import take_socket
from libcontainer.process import DEVNULL, Process

MESSAGE_MOST = 1 << 30
"""Bytes of the longest answer that is read."""

_CHUNK = 1 << 20
_SOCKET_INSIDE = 3


class Interpreter:
    """A Python process of a container that answers one call after the other.

    Attributes:
        handle: that process.
    """

    def __init__(self, start: Callable[[Process], ProcessHandle]) -> None:
        ours, theirs = socket.socketpair()
        self._socket = take_socket(above_stdio(ours.detach()))
        inside = above_stdio(theirs.detach())
        try:
            command = (*this_python().command, str(_SOCKET_INSIDE))
            process = Process(command, pass_fds=[inside], stdin=DEVNULL)
            self.handle = start(process)
        except BaseException:
            self._socket.close()
            raise
        finally:
            socket.close(inside)
        # Of the last call: it holds for the end of the process, too.
        self._deadline: float | None = None

    def call(
        self,
        request: bytes,
        *,
        trust: bool,
        timeout: float | None,
    ) -> Any:  # noqa: ANN401 - the function's
        """Return what a request's function returns, or raise what it raises.

        Raises:
            TimeoutExpired: it took longer; the process is killed.
            CallFailedError: the process ended without an answer.
            CallError: the answer is none.
        """
        deadline = self._begin(timeout)
        try:
            self._send(_framed(request, trust=trust), deadline)
            size = _size_of(self._read(SIZE.size, deadline))
            message = self._read(size, deadline)
        except TimeoutError:
            self._end()
            raise TimeoutExpired("a call", timeout or 0.0) from None
        except (EOFError, ConnectionError):
            if not self._end():
                raise TimeoutExpired("a call", timeout or 0.0) from None
            raise CallFailedError(self.handle.wait()) from None
        except BaseException:
            # What is left of the answer would be taken for the next one.
            self.handle.kill()
            raise
        return decode(message, trust=trust)

    async def acall(self, request: bytes, *, trust: bool, timeout: float | None) -> Any:  # noqa: ANN401 - the function's
        """Do the same under asyncio."""
        self._begin(timeout)
        self._socket.setblocking(False)
        try:
            async with asyncio.timeout(timeout):
                message = await self._aexchange(_framed(request, trust=trust))
        except TimeoutError:
            self.handle.kill()
            await self.handle
            raise TimeoutExpired("a call", timeout or 0.0) from None
        except CallFailedError:
            raise
        except BaseException:
            self.handle.kill()
            raise
        return decode(message, trust=trust)

    def close(self) -> None:
        """Let the process end, which it does between two calls."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close()
        if kind is not None:
            self.handle.kill()
        self._end()
        self.handle.close()

    def _begin(self, timeout: float | None) -> float | None:
        self._deadline = None if timeout is None else time.monotonic() + timeout
        return self._deadline

    def _end(self) -> bool:
        """Wait for the process, kill it at the deadline; tell whether it ended before.

        One that has let go of its socket, or has answered, may still go on.
        """
        left = None
        if self._deadline is not None:
            left = max(0.0, self._deadline - time.monotonic())
        try:
            self.handle.wait(left)
        except TimeoutExpired:
            self.handle.kill()
            self.handle.wait()
            return False
        return True

    # -- bytes

    def _send(self, data: bytes, deadline: float | None) -> None:
        self._socket.settimeout(_left(deadline))
        self._socket.sendall(data, socket.MSG_NOSIGNAL)

    def _read(self, size: int, deadline: float | None) -> bytes:
        chunks = []
        while size > 0:
            self._socket.settimeout(_left(deadline))
            data = self._socket.recv(min(size, _CHUNK))
            if not data:
                raise EOFError
            chunks.append(data)
            size -= len(data)
        return b"".join(chunks)

    async def _aexchange(self, data: bytes) -> bytes:
        """Return the answer; tell how the process ended if there is none."""
        try:
            return await self._aread_answer(data)
        except (EOFError, ConnectionError):
            raise CallFailedError(await self.handle) from None

    async def _aread_answer(self, data: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self._socket, data)

        async def read(size: int) -> bytes:
            chunks = []
            while size > 0:
                part = await loop.sock_recv(self._socket, min(size, _CHUNK))
                if not part:
                    raise EOFError
                chunks.append(part)
                size -= len(part)
            return b"".join(chunks)

        return await read(_size_of(await read(SIZE.size)))


def request_of(
    function: Callable[..., Any], args: Sequence[Any], keywords: Mapping[str, Any]
) -> bytes:
    """Return a call as bytes.

    Raises:
        TypeError: something of it cannot be sent.
    """
    return encode_call(function, args, keywords, this_python().path)


def _framed(request: bytes, *, trust: bool) -> bytes:
    body = (PICKLED if trust else PLAIN) + request
    return SIZE.pack(len(body)) + body


def _size_of(head: bytes) -> int:
    (size,) = SIZE.unpack(head)
    if size > MESSAGE_MOST:
        message = f"an answer of {size} bytes is not read"
        raise CallError(message)
    return int(size)


def _left(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
