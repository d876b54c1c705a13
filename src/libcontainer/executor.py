# SPDX-License-Identifier: Apache-2.0
"""`ContainerExecutor`: tasks of `concurrent.futures` in containers."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from libcontainer.calls.talk import request_of
from libcontainer.containing import Contained, Place
from libcontainer.errors import (
    CallError,
    LibcontainerError,
    RemoteError,
    TimeoutExpired,
)
from libcontainer.host.log import logger
from libcontainer.host.shield import shielded
from libcontainer.oneshot.wishes import Wishes

if TYPE_CHECKING:
    from typing import Unpack

    from libcontainer.oneshot.options import ContainerOptions

P = ParamSpec("P")
T = TypeVar("T")


class ContainerExecutor(Executor):
    """Runs each task in a container, fresh or reused.

    A task is what `Container.call` takes; what is said there of functions,
    arguments, results and trust holds. Each worker is a thread that waits for its
    container. With *reuse* a worker keeps its container, and the interpreter in it,
    for its next task: faster, and what a task leaves behind the next one finds. One
    that ended without an answer, or took too long, is replaced. The containers go with
    `shutdown`, with an executor that is forgotten, or at the end of the program.

    Args:
        max_workers: how many containers there are at once; None is one for each
            processor.
        reuse: whether a worker keeps its container.
        timeout: seconds that a task may take.
        trust: whether results are pickled, for code that one trusts.
        options: as for `contained`.

    Raises:
        TypeError: there is no such keyword.
        ValueError: *max_workers* is not positive.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        reuse: bool = False,
        timeout: float | None = None,
        trust: bool = False,
        **options: Unpack[ContainerOptions],
    ) -> None:
        wishes = Wishes.of_container(type(self).__name__, options)
        count = os.cpu_count() or 1 if max_workers is None else max_workers
        self._caller = Contained(wishes, timeout=timeout, trust=trust)
        self._reuse = reuse
        self._threads = ThreadPoolExecutor(count, "libcontainer-executor")
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._seats = _Seats()
        # Nobody need shut it down: what is forgotten, or there at the end, goes too.
        weakref.finalize(self, self._seats.close)
        self._left = 0
        self._is_shut = False

    def submit(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Run a function in a container; return the future of its result.

        Raises:
            TypeError: the function or an argument cannot be sent.
            RuntimeError: the executor has been shut down.
        """
        request = request_of(fn, args, kwargs)
        work = self._anew if not self._reuse else self._again
        with self._lock:
            future: Future[Any] = self._threads.submit(work, request)
            self._left += 1
        future.add_done_callback(self._one_less)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - as concurrent.futures
        """Take no more tasks; delete every container after the last."""
        self._threads.shutdown(wait, cancel_futures=cancel_futures)
        with self._lock:
            self._is_shut = True
            is_last = self._left == 0
        if is_last:
            shielded(self._seats.close)

    def _one_less(self, _: Future[Any]) -> None:
        with self._lock:
            self._left -= 1
            is_last = self._is_shut and self._left == 0
        if is_last:
            shielded(self._seats.close)

    def _anew(self, request: bytes) -> Any:  # noqa: ANN401 - the task's
        return self._caller.answer(request)

    def _again(self, request: bytes) -> Any:  # noqa: ANN401 - the task's
        seat: _Seat | None = getattr(self._mine, "seat", None)
        if seat is None or seat.is_lost:
            seat = self._mine.seat = _Seat(self._caller)
            self._seats.add(seat)
        try:
            return seat.answer(request)
        finally:
            if seat.is_lost:
                self._seats.remove(seat)


class _Seats:
    """What all workers have at the moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seats: list[_Seat] = []
        self._pid = os.getpid()

    def add(self, seat: _Seat) -> None:
        with self._lock:
            self._seats.append(seat)

    def remove(self, seat: _Seat) -> None:
        with self._lock, contextlib.suppress(ValueError):
            self._seats.remove(seat)

    def close(self) -> None:
        if os.getpid() != self._pid:
            # They are those of the process that this is a fork of.
            return
        with self._lock:
            seats, self._seats = self._seats, []
        for seat in seats:
            seat.close()


class _Seat:
    """A container of a worker, and the interpreter in it."""

    def __init__(self, caller: Contained) -> None:
        self.is_lost = False
        self._caller = caller
        self._place = Place(*caller.parts())

    def answer(self, request: bytes) -> Any:  # noqa: ANN401 - the task's
        place = self._place
        try:
            ask = functools.partial(place.interpreter.call, request)
            return self._caller.judged(ask, place.container)
        except RemoteError:
            # That is an answer.
            raise
        except (CallError, TimeoutExpired, KeyboardInterrupt):
            self.close()
            raise

    def close(self) -> None:
        self.is_lost = True
        try:
            self._place.close()
        except (LibcontainerError, OSError) as error:
            name = self._place.container.id
            logger.warning("container %r of an executor is left: %s", name, error)
