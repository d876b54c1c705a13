# SPDX-License-Identifier: Apache-2.0
"""What the containers of one factory share, made when it is needed."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING

from libcontainer.host.fork import ForkedLock

if TYPE_CHECKING:
    from collections.abc import Callable

    from libcontainer.handle import ProcessHandle
    from libcontainer.host.trace import StepTime
    from libcontainer.launcher import Launcher


# A fork in the middle of an import would have the module locked for good.
_importing = threading.Lock()
os.register_at_fork(
    before=_importing.acquire,
    after_in_parent=_importing.release,
    after_in_child=_importing.release,
)


class Shared:
    """The launcher of a factory, and the processes that joined its containers.

    Looking at containers, signalling and deleting them needs no launcher, which is
    most of the library.
    """

    def __init__(
        self,
        deadline_seconds: float,
        resctrl: str | None,
        trace: Callable[[StepTime], object] | None,
    ) -> None:
        self._deadline_seconds = deadline_seconds
        self._resctrl = resctrl
        self._trace = trace
        self._lock = ForkedLock()
        self._made: Launcher | None = None
        self._joined: dict[str, list[ProcessHandle]] = {}
        self._turn = 0

    @property
    def launcher(self) -> Launcher:
        """The launcher."""
        made = self._made
        if made is not None:
            return made
        with self._lock:
            if self._made is None:
                with _importing:
                    from libcontainer.launcher import Launcher  # noqa: PLC0415 - above

                self._made = Launcher(
                    deadline_seconds=self._deadline_seconds, resctrl=self._resctrl
                )
                self._made.trace = self._trace
            return self._made

    def joined(self, container_id: str) -> list[ProcessHandle]:
        """Return where the processes that joined a container are kept.

        One list for all objects of the container: whichever deletes it has to reap
        them, for the kernel ends no init before.
        """
        return self._joined.setdefault(container_id, [])

    def tidy(self, container_id: str) -> None:
        """Let go of processes that joined a container and have ended.

        Of those that nobody has waited for two are looked at each time, in turn, so a
        program that never waits keeps few zombies, and an exec costs the same however
        many others run.
        """
        joined = self.joined(container_id)
        # Not the last: it has just begun.
        waiting = [h for h in joined[:-1] if not h.is_reaped and h.is_own]
        for _ in range(min(2, len(waiting))):
            self._turn += 1
            waiting[self._turn % len(waiting)].reap()
        for ended in [h for h in joined if h.is_reaped]:
            with contextlib.suppress(ValueError):
                joined.remove(ended)

    def forget(self, container_id: str) -> None:
        """Forget the processes of a container that is gone."""
        self._joined.pop(container_id, None)

    def close(self) -> None:
        """Let go of what the launcher keeps; a later launch remakes it."""
        with self._lock:
            if self._made is not None:
                self._made.close()
