# SPDX-License-Identifier: Apache-2.0
"""Blocking calls from a coroutine that may be cancelled: nothing is lost of them.

A call to the kernel cannot be taken back half-way. So a coroutine that is cancelled
meanwhile waits for the end of the call, undoes what it has made, and only then is
cancelled. Threads are those of the loop's default executor.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from libcontainer.host.log import logger

T = TypeVar("T")

CLEANUP_SECONDS = 60.0
"""How long a coroutine that was cancelled waits for what undoes its work."""


class _Call(Generic[T]):
    """A call in a thread, which does not begin once nobody waits for it any more."""

    def __init__(
        self, function: Callable[[], T], undo: Callable[[T], object] | None
    ) -> None:
        self._function = function
        self._undo = undo
        self._lock = threading.Lock()
        self._made: list[T] = []
        self._has_begun = False
        self._is_void = False
        self._is_left = False

    def run(self) -> T | None:
        """Do it, in its thread."""
        with self._lock:
            if self._is_void:
                return None
            self._has_begun = True
        made = self._function()
        with self._lock:
            self._made.append(made)
            is_left = self._is_left
        if is_left:
            self.take_back()
        return made

    def void(self) -> bool:
        """Tell whether it has not begun; then it never will."""
        with self._lock:
            self._is_void = True
            return not self._has_begun

    def leave(self) -> bool:
        """Tell whether it was made; else its thread takes back what it makes."""
        with self._lock:
            self._is_left = not self._made
            return not self._is_left

    def take_back(self) -> None:
        """Undo what was made, once."""
        with self._lock:
            made, self._made = self._made, []
        for one in made:
            try:
                if self._undo is not None:
                    self._undo(one)
            except Exception as error:
                logger.error("undoing failed: %r", error)


async def in_thread(
    function: Callable[[], T],
    undo: Callable[[T], object] | None = None,
    give_up: Callable[[], object] | None = None,
) -> T:
    """Return what a blocking function returns.

    Args:
        function: what is called.
        undo: takes back what it has returned, if the caller was cancelled.
        give_up: makes it end soon; called when the caller is cancelled meanwhile.

    Raises:
        CancelledError: once nothing of the call is left. If it takes longer than
            `CLEANUP_SECONDS`, its thread undoes it.
    """
    call = _Call(function, undo)
    work = _submit(call.run)
    try:
        # Nobody voided the call, so the function was called.
        return cast("T", await asyncio.shield(work))
    except asyncio.CancelledError:
        if call.void():
            # It still waits for a thread.
            work.cancel()
            raise
        work.add_done_callback(_look)
        if give_up is not None:
            give_up()
        await _settle(work)
        if call.leave() and undo is not None:
            await _settle(_submit(call.take_back))
        raise


async def to_the_end(function: Callable[[], T]) -> T:
    """Return what a blocking function returns; a cancellation comes after that.

    Raises:
        TimeoutError: it took longer than `CLEANUP_SECONDS`.
    """
    work = _submit(function)
    cancelled = await _settle(work)
    if not work.done():
        message = f"{function!r} took longer than {CLEANUP_SECONDS} s"
        raise TimeoutError(message)
    if cancelled is not None:
        if not _is_success(work):
            logger.error("undoing failed: %r", work.exception())
        raise cancelled
    return work.result()


def _submit(function: Callable[[], T]) -> asyncio.Future[T]:
    return asyncio.get_running_loop().run_in_executor(None, function)


async def _settle(work: asyncio.Future[Any]) -> asyncio.CancelledError | None:
    """Wait until *work* is done; return a cancellation that came meanwhile."""
    cancelled = None
    deadline = time.monotonic() + CLEANUP_SECONDS
    while not work.done() and (left := deadline - time.monotonic()) > 0:
        try:
            await asyncio.wait([work], timeout=left)
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled


def _look(work: asyncio.Future[Any]) -> None:
    """Look at an error that nobody waits for; asyncio would complain."""
    _is_success(work)


def _is_success(work: asyncio.Future[Any]) -> bool:
    return work.done() and not work.cancelled() and work.exception() is None
