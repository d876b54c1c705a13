# SPDX-License-Identifier: Apache-2.0
"""Keeps a container running: restarts it by a policy, from inside a program.

There is no daemon: the program that supervises is the one that would have to be
watched by something else.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import frozen

from libcontainer.config.report import show
from libcontainer.errors import ConfigError, Problem, StepError, wrong_type
from libcontainer.host.children import ExitStatus
from libcontainer.process import Process
from libcontainer.status import Status

if TYPE_CHECKING:
    from libcontainer.container import Container
    from libcontainer.handle import ProcessHandle

_WHEN = ("always", "on-failure", "no")


@frozen(kw_only=True)
class RestartPolicy:
    """When a container is to run again, and how long after its end. Pure."""

    when: str = "on-failure"
    """``always``, ``on-failure`` (a status other than 0) or ``no``."""
    max_restarts: int | None = None
    """How often in a row at most; None is without end."""
    delay_seconds: float = 0.1
    """How long after the first end; each further one in a row doubles it."""
    max_delay_seconds: float = 60.0
    """What it is doubled up to."""
    good_seconds: float = 10.0
    """Who ran as long as this has begun a new row."""

    def __attrs_post_init__(self) -> None:
        """Refuse what makes no sense."""
        problems = []
        if self.when not in _WHEN:
            rule = f"must be one of {', '.join(_WHEN)}, not {show(self.when)}"
            problems.append(Problem("when", rule))
        for name in ("max_restarts", "delay_seconds", "max_delay_seconds"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                problems.append(Problem(name, f"must be 0 or more, not {show(value)}"))
        if problems:
            raise ConfigError(problems)

    def delay(self, status: ExitStatus | None, row: int) -> float | None:
        """Return how long to wait before the next run, in seconds.

        Args:
            status: how the last one ended; None: it could not be started.
            row: how many restarts there were in a row.

        Returns:
            None if there is to be no other.
        """
        failed = status != ExitStatus(code=0)
        if self.when == "no" or (self.when == "on-failure" and not failed):
            return None
        if self.max_restarts is not None and row >= self.max_restarts:
            return None
        # Beyond this it is long more than the most.
        doubled = self.delay_seconds * 2.0 ** min(row, 64)
        return min(doubled, self.max_delay_seconds)


class Supervisor:
    """Runs a process in a container, again and again as a policy has it.

    Args:
        container: where it runs; in it nothing has run yet, or it has stopped.
        process: what runs.
        policy: when it runs again; None is a `RestartPolicy()`.
        on_end: called with each status, None for a restart that failed.
    """

    def __init__(
        self,
        container: Container,
        process: Process,
        policy: RestartPolicy | None = None,
        on_end: Callable[[ExitStatus | None], object] | None = None,
    ) -> None:
        if not isinstance(process, Process):
            raise wrong_type("process", Process, process)
        self.container = container
        self.process = process
        self.policy = RestartPolicy() if policy is None else policy
        self.restarts = 0
        """How often it was restarted."""
        self._on_end = on_end
        self._row = 0
        self._begun = 0.0
        self._is_stopped = threading.Event()
        self._wake: Callable[[], None] = lambda: None

    def run(self) -> ExitStatus:
        """Run it until the policy has had enough, or `stop` was called.

        Returns:
            How it ended last.

        Raises:
            LibcontainerError: the first launch failed, or the last restart.
        """
        handle = self._launch()
        while True:
            status = handle.wait()
            handle.close()
            delay, again = self._ended(status), None
            while again is None:
                if delay is None or self._is_stopped.wait(delay):
                    return status
                again, delay = self._try()
            handle = again

    async def arun(self) -> ExitStatus:
        """As `run`, under asyncio; only a launch takes a thread.

        Cancelled, it leaves the container as it is then.
        """
        # A launch needs nothing of asyncio.
        from libcontainer.aio.threads import in_thread  # noqa: PLC0415

        handle = await in_thread(self._launch)
        while True:
            status = await handle
            handle.close()
            delay, again = self._ended(status), None
            while again is None:
                if delay is None or await self._is_stopped_within(delay):
                    return status
                again, delay = await in_thread(self._try)
            handle = again

    def stop(self) -> None:
        """Kill what runs, and restart it no more; may be called by any thread."""
        self._is_stopped.set()
        self._wake()
        init = self.container.init
        if init is not None:
            init.kill()

    # -- parts

    def _launch(self) -> ProcessHandle:
        self._begun = time.monotonic()
        if self.container.status() is Status.STOPPED:
            handle = self.container.restart(self.process)
        else:
            handle = self.container.run(self.process)
        if self._is_stopped.is_set():
            # `stop` has perhaps looked for init before there was this one.
            handle.kill()
        return handle

    async def _is_stopped_within(self, seconds: float) -> bool:
        """Wait under asyncio; tell whether `stop` was called meanwhile."""
        import asyncio  # noqa: PLC0415

        loop, stopped = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed by now
                loop.call_soon_threadsafe(stopped.set)

        self._wake = wake
        if not self._is_stopped.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), seconds)
        return self._is_stopped.is_set()

    def _ended(self, status: ExitStatus | None) -> float | None:
        """Tell of an end, and return how long to wait; None is for ever."""
        if self._on_end is not None:
            self._on_end(status)
        if time.monotonic() - self._begun >= self.policy.good_seconds:
            self._row = 0
        delay = None
        if not self._is_stopped.is_set():
            delay = self.policy.delay(status, self._row)
        self._row += 1
        return delay

    def _try(self) -> tuple[ProcessHandle | None, float | None]:
        """Return the handle of another run, or how long to wait before the next."""
        self.restarts += 1
        try:
            return self._launch(), None
        except StepError:
            # Any other error, as of a container that is gone, is the end.
            delay = self._ended(None)
            if delay is None:
                raise
            return None, delay
