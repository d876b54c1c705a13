# SPDX-License-Identifier: Apache-2.0
"""In which order the threads of this process take the lock of a container.

A lock that is polled for goes to whoever asks at the right moment: mostly to the
thread that has just let go of it, while another may wait for ever. Nothing but the
order depends on this: the lock itself is the kernel's.
"""

from __future__ import annotations

import contextlib
import os
from _thread import LockType, allocate_lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from libcontainer.host.store import Folder

_PATIENCE_SECONDS: Final = 2.0


class Turns:
    """A queue for each container that more than one thread wants just now."""

    def __init__(self) -> None:
        self._queues: dict[str, list[LockType]] = {}
        self._pid = os.getpid()

    def wait(self, container_id: str, timeout: float) -> LockType:
        """Wait until all who came before have left; return what `leave` takes.

        Who stays for long, or has been interrupted on its way out, is passed.
        """
        turn = allocate_lock()
        turn.acquire()
        queue = self._queues.setdefault(container_id, [])
        queue.append(turn)
        first = queue[0]
        if first is turn:
            return turn
        if self._pid != os.getpid():
            # They were threads of the process that this is a fork of.
            self._queues, self._pid = {}, os.getpid()
            return turn
        if not turn.acquire(timeout=min(timeout, _PATIENCE_SECONDS)):
            self._remove(container_id, queue, first)
        return turn

    def leave(self, container_id: str, turn: LockType) -> None:
        """Let the next one go on."""
        queue = self._queues.get(container_id)
        if queue is not None:
            self._remove(container_id, queue, turn)

    def _remove(self, container_id: str, queue: list[LockType], turn: LockType) -> None:
        with contextlib.suppress(ValueError):
            queue.remove(turn)
        # Whoever is first may go on, and may have been told so already.
        try:
            queue[0].release()
        except IndexError:
            # One who comes right now is in a queue of its own: no harm.
            self._queues.pop(container_id, None)
        except RuntimeError:
            return


class Locked:
    """A folder whose lock is held for a block."""

    # No generator: each verb of a container has one of these.
    __slots__ = ("_folder", "_timeout", "_turn")

    def __init__(self, folder: Folder, timeout: float) -> None:
        self._folder = folder
        self._timeout = timeout
        self._turn: LockType | None = None

    def __enter__(self) -> Folder:
        folder = self._folder
        try:
            if folder.turns is not None:
                self._turn = folder.turns.wait(folder.id, self._timeout)
            folder.lock(timeout=self._timeout)
        except BaseException:
            self._let_go()
            raise
        return folder

    def __exit__(self, *_: object) -> None:
        self._let_go()

    def _let_go(self) -> None:
        folder = self._folder
        try:
            folder.close()
        except KeyboardInterrupt:
            # Its traceback holds the folder, and who sees to it may need the lock.
            folder.close_after_interrupt()
            raise
        finally:
            if folder.turns is not None and self._turn is not None:
                folder.turns.leave(folder.id, self._turn)
