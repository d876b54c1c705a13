# SPDX-License-Identifier: Apache-2.0
"""Work that a KeyboardInterrupt cannot break off in the middle.

Python raises it in the main thread alone, between any two instructions: also between
the return of a call and the assignment of its result, where what was made is lost. So
what must not be broken off runs in a thread, and the main thread waits for it.

The thread is a bare one and the wait is for a bare lock: an interrupt in the middle of
`threading.Event.wait` leaves that broken.
"""

from __future__ import annotations

import _thread
import sys
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")

_LOOK_SECONDS = 0.5


def shielded(work: Callable[[], T], stop: Callable[[], object] | None = None) -> T:
    """Return what *work* returns; an interrupt is raised once that has ended.

    Outside of the main thread there are no interrupts, and it is called at once.

    Args:
        work: what is done. It may run in another thread.
        stop: makes it end soon; called when there was an interrupt.
    """
    if threading.get_ident() != threading.main_thread().ident:
        return work()
    box = _Box(work)
    try:
        if not box.start():
            return work()
        box.wait()
    except BaseException:
        if not box.void():
            _await(box, stop)
        raise
    return box.result()


def _await(box: _Box[Any], stop: Callable[[], object] | None) -> None:
    while not box.is_over:
        try:
            if stop is not None:
                stop()
            box.wait()
        except KeyboardInterrupt:
            # Whoever presses it again cannot be helped sooner.
            continue


class _Box(Generic[T]):
    """One piece of work, and what came of it."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._claim = _thread.allocate_lock()
        self._running = _thread.allocate_lock()
        self._running.acquire()
        self._value: T | None = None
        self._error: BaseException | None = None
        self.is_over = False

    def start(self) -> bool:
        """Start the thread; tell whether there is one."""
        if sys.is_finalizing():
            # One that is started now never comes to run.
            return False
        try:
            _thread.start_new_thread(self._run, ())
        except RuntimeError:
            # No more threads: a limit, or the interpreter is about to end.
            return False
        return True

    def wait(self) -> None:
        """Wait until the work is over."""
        # A signal right before the wait is seen only after it, so it has an end.
        while not self._running.acquire(timeout=_LOOK_SECONDS):
            continue
        # Whoever waits next finds it free, too.
        self._running.release()

    def _run(self) -> None:
        if not self._claim.acquire(blocking=False):
            return
        try:
            self._value = self._work()
        except BaseException as error:
            self._error = error
        finally:
            self.is_over = True
            self._running.release()

    def void(self) -> bool:
        """Tell whether the work has not begun; then it never will."""
        return self._claim.acquire(blocking=False)

    def result(self) -> T:
        """Return what the work has returned, or raise what it has raised."""
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                # It refers to this frame, and this frame to it.
                del error
        return cast("T", self._value)
