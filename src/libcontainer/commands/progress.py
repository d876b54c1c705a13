# SPDX-License-Identifier: Apache-2.0
"""How far a command is, for who waits at a terminal."""

from __future__ import annotations

import sys
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

PATIENCE = 1.0
"""Seconds after which somebody wants to know."""
_EVERY = 0.2
_CLEAR = "\r\x1b[K"


class Waiting:
    """A line on standard error while something takes longer than a second.

    Nothing is written where that is no terminal. The line is gone at the end.

    Args:
        text: what is being done; change the attribute as it goes on.
        quiet: whether to write nothing.
    """

    def __init__(self, text: str, *, quiet: bool = False) -> None:
        self.text = text
        self._shows = not quiet and sys.stderr.isatty()
        self._end: threading.Event | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._shows:
            self._end = threading.Event()
            self._thread = threading.Thread(
                target=self._tell, args=(self._end,), daemon=True
            )
            self._thread.start()
        return self

    def _tell(self, end: threading.Event) -> None:
        began = time.monotonic()
        told = False
        wait = PATIENCE
        while not end.wait(wait):
            seconds = time.monotonic() - began
            sys.stderr.write(f"{_CLEAR}{self.text}, {seconds:.0f} s")
            sys.stderr.flush()
            told, wait = True, _EVERY
        if told:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._end is not None and self._thread is not None:
            self._end.set()
            self._thread.join()
