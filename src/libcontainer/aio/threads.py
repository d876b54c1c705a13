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
from typing import Any, TypeVar, cast

from libcontainer.host.log import logger

T = TypeVar("T")

CLEANUP_SECONDS = 60.0
"""How long a coroutine that was cancelled waits for what undoes its work."""


class _Ticket:
    """Makes sure that a call that nobody waits for any more does not begin."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_void = False
        self.has_begun = False

    def use(self, function: Callable[[], T]) -> T | None:
        with self._lock:
            if self._is_void:
                return None
            self.has_begun = True
        return function()

    def void(self) -> None:
        with self._lock:
            self._is_void = True


async def in_thread(
    function: Callable[[], T], undo: Callable[[T], object] | None = None
) -> T:
    """Return what a blocking function returns.

    Args:
        function: what is called.
        undo: takes back what it has returned, if the caller was cancelled.

    Raises:
        CancelledError: once nothing of the call is left.
    """
    ticket = _Ticket()
    work = _submit(lambda: ticket.use(function))
    try:
        # Nobody voided the ticket, so the function was called.
        return cast("T", await asyncio.shield(work))
    except asyncio.CancelledError:
        ticket.void()
        await _settle(work)
        if undo is not None and ticket.has_begun and _is_success(work):
            made: Any = work.result()
            await _settle(_submit(lambda: undo(made)))
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


def _is_success(work: asyncio.Future[Any]) -> bool:
    return work.done() and not work.cancelled() and work.exception() is None
