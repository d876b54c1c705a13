# SPDX-License-Identifier: Apache-2.0
"""What the kernel tells, as an iterator, an async iterator and an fd.

One epoll(7) holds the fds of all sources. It is an fd itself, so an event loop can
wait for it like for any other, and no thread is needed.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, Protocol, Self, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Source(Protocol[T_co]):
    """An fd that becomes ready when something has happened."""

    fd: int
    """Owned by the source."""
    mask: int
    """What of it to wait for, as of `select.epoll`."""
    has_ended: bool
    """Whether nothing more can come from it; looked at after each `take`."""

    def take(self, mask: int) -> Iterable[T_co]:
        """Return what has happened; called when the fd is ready."""

    def close(self) -> None:
        """Close the fd; called once."""


class EventStream(Generic[T]):
    """Events in the order in which they were seen.

    An iterator and an async iterator: each waits for the next event, and ends when
    there can be no more, or the stream was closed. `fileno` and `ready` are for other
    event loops. For one thread, or one task, at a time; but `close` may be called by
    any. The fds are closed at the end, at the latest by leaving it as a context
    manager.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: deque[T] = deque()
        self._sources: dict[int, Source[T]] = {}
        self._waiting = 0
        self._is_over = False
        self._epoll: select.epoll | None = None
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        try:
            self._epoll = select.epoll()
        except BaseException:
            os.close(self._wake)
            raise
        self._epoll.register(self._wake, select.EPOLLIN)

    # -- for subclasses

    def _add(self, source: Source[T]) -> None:
        if self._epoll is None:
            source.close()
            return
        self._sources[source.fd] = source
        self._epoll.register(source.fd, source.mask)

    def _drop(self, source: Source[T]) -> None:
        if self._sources.pop(source.fd, None) is None:
            return
        if self._epoll is not None:
            with contextlib.suppress(OSError):
                self._epoll.unregister(source.fd)
        source.close()

    def _source_ended(self, source: Source[T]) -> None:
        """Do what follows from the end of a source: the stream ends too."""
        del source
        self._end()

    def _end(self) -> None:
        """Let the stream end once the events of it have been taken."""
        self._is_over = True

    # -- looking

    def fileno(self) -> int:
        """Return an fd that is readable when `ready` has something to return.

        Raises:
            ValueError: the stream has ended.
        """
        if self._epoll is None:
            message = "the stream of events has ended"
            raise ValueError(message)
        return self._epoll.fileno()

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self._is_over and not self._queue

    def ready(self) -> list[T]:
        """Return what has happened since the last call; does not wait."""
        return self.wait(0)

    def wait(self, timeout: float | None = None) -> list[T]:
        """Wait until something has happened, and return all of it.

        Args:
            timeout: seconds to wait at most; None is for ever.

        Returns:
            Nothing at all after a timeout, and at the end of the stream.
        """
        if not self._queue:
            with self._turn() as epoll:
                if epoll is not None:
                    self._collect(epoll, timeout)
        found = list(self._queue)
        self._queue.clear()
        return found

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        while not self._queue:
            with self._turn() as epoll:
                if epoll is None:
                    raise StopIteration
                self._collect(epoll, None)
        return self._queue.popleft()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._queue:
            with self._turn() as epoll:
                if epoll is None:
                    raise StopAsyncIteration
                await _readable(epoll.fileno())
                self._collect(epoll, 0)
        return self._queue.popleft()

    def call(self, callback: Callable[[T], object]) -> threading.Thread:
        """Call a function with each event, in a thread of its own.

        The thread ends with the stream; `close` it to be called no more. Under an
        event loop rather use it as an async iterator, or `fileno` and `ready`. What
        the function raises is logged, and the next event goes to it all the same.

        Returns:
            The thread, a daemon.
        """

        def run() -> None:
            for event in self:
                try:
                    callback(event)
                except Exception:
                    import logging  # noqa: PLC0415 - rare

                    logging.getLogger("libcontainer").exception("a callback failed")

        thread = threading.Thread(target=run, name="libcontainer events", daemon=True)
        thread.start()
        return thread

    # -- ending

    def close(self) -> None:
        """Let nothing more come, and close the fds; who waits is let go."""
        with self._lock:
            self._is_over = True
            if self._waiting:
                # Whoever waits closes them.
                os.eventfd_write(self._wake, 1)
            else:
                self._free()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> str:
        message = "a stream of events cannot be pickled: it owns fds"
        raise TypeError(message)

    def __del__(self) -> None:
        if getattr(self, "_epoll", None) is not None:
            warnings.warn(
                "a stream of events was not closed",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )
            self._free()

    # -- parts

    @contextlib.contextmanager
    def _turn(self) -> Iterator[select.epoll | None]:
        """Give the epoll to whoever wants to wait; None once the stream is over."""
        with self._lock:
            epoll = None if self._is_over else self._epoll
            self._waiting += epoll is not None
            if epoll is None and not self._waiting:
                self._free()
        try:
            yield epoll
        finally:
            with self._lock:
                self._waiting -= epoll is not None
                if self._is_over and not self._waiting:
                    self._free()

    def _collect(self, epoll: select.epoll, timeout: float | None) -> None:
        for fd, mask in epoll.poll(timeout):
            # An earlier one of them may have let it go.
            source = self._sources.get(fd)
            if source is not None:
                self._queue.extend(source.take(mask))
                if source.has_ended:
                    self._source_ended(source)

    def _free(self) -> None:
        epoll, self._epoll = self._epoll, None
        if epoll is None:
            return
        sources, self._sources = list(self._sources.values()), {}
        for source in sources:
            source.close()
        epoll.close()
        os.close(self._wake)


async def _readable(fd: int) -> None:
    import asyncio  # noqa: PLC0415 - a launch needs none of it

    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def done() -> None:
        if not future.done():
            future.set_result(None)

    loop.add_reader(fd, done)
    try:
        await future
    finally:
        loop.remove_reader(fd)
