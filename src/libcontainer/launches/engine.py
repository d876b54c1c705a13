# SPDX-License-Identifier: Apache-2.0
"""Carries out compiled plans: the helper, the template, the streams, the handle."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import define

from libcontainer.bindings.helper import sealed_helper
from libcontainer.handle import ProcessHandle
from libcontainer.host.actions import HostActions
from libcontainer.host.fds import above_stdio, close_all
from libcontainer.host.fork import ForkedLock
from libcontainer.host.launch import HostRunner, Launch
from libcontainer.host.probe import is_privileged
from libcontainer.host.sources import run_source_step
from libcontainer.host.stdio import Stdio
from libcontainer.host.template import Template
from libcontainer.launches.planner import Planner
from libcontainer.launches.start import DEADLINE_SECONDS
from libcontainer.plan import Plan, Settings
from libcontainer.plan.compiled import Compiled
from libcontainer.process import Process

if TYPE_CHECKING:
    from libcontainer.host.exitrecord import ExitRecord
    from libcontainer.host.seccomp_notify import ListenerTaker
    from libcontainer.host.trace import Trace

_END_SECONDS = 10.0


@define
class Running:
    """A plan on its way to a program, and what belongs to it.

    Attributes:
        compiled: the plan.
        settings: what the process gets.
        process: what is to run.
        actions: carries out the HOST steps.
        given: slot to fd of what the plan is handed; the caller keeps them.
        companions: where the handle finds the processes that join its own.
        joined: where the handle is put as soon as there is one, or None.
        taker: takes the listener of its filter of system calls, or None.
    """

    compiled: Compiled
    settings: Settings
    process: Process
    actions: HostRunner
    given: Mapping[int, int] | None = None
    companions: list[ProcessHandle] | None = None
    joined: list[ProcessHandle] | None = None
    taker: ListenerTaker | None = None


class Engine:
    """What launches share: the helper's image and the template namespace.

    Both are made when they are first needed, and kept as one fd each.

    Attributes:
        deadline_seconds: how long one launch may take before it is undone.
        planner: checks and plans.
        fault: for fault tests, the step to fail at and how (``plan_abi.h``).
        trace: is told how long each step has taken, or None.
    """

    def __init__(self, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self.deadline_seconds = deadline_seconds
        self.planner = Planner(self.image)
        self.fault = (0, 0)
        self.trace: Trace | None = None
        self._lock = ForkedLock()
        self._helper = -1
        self._template = Template()
        self._has_launched = False

    def image(self) -> int:
        """Return the fd of the helper's image."""
        helper = self._helper
        if helper >= 0:
            return helper
        with self._lock:
            if self._helper < 0:
                self._helper = above_stdio(sealed_helper())
            return self._helper

    def close(self) -> None:
        """Let go of the helper and the template; a later launch remakes them."""
        with self._lock:
            helper, self._helper = self._helper, -1
        if helper >= 0:
            close_all((helper,))
        self._template.close()

    def __del__(self) -> None:
        # Of a factory that nobody has closed: a fd of nobody would stay for good.
        if getattr(self, "_template", None) is not None:
            self.close()

    def start(self, running: Running) -> ProcessHandle:
        """Launch a process; return its handle.

        Raises:
            LibcontainerError: nothing of it is left.
        """
        launch: Launch | None = None
        made: list[ProcessHandle] = []
        process, compiled = running.process, running.compiled
        try:
            with (
                _console(process) as console,
                Stdio(
                    process,
                    terminal=running.settings.terminal,
                    detached=compiled.has_monitor,
                ) as stdio,
            ):
                launch = self._new_launch(
                    compiled,
                    running.actions,
                    on_listener=running.taker,
                    take_terminal=None if console is None else console.send,
                )
                launch.captured = stdio.captured
                launch.run(_slots(running, stdio))
                handle = _handle_of(launch, running, stdio, made)
                if running.joined is not None:
                    running.joined.append(handle)
        except BaseException:
            # What came after the launch, too: a program that nobody has a handle
            # of could not be waited for, and its container not be ended.
            _end(launch, made)
            raise
        return handle

    def run_apart(self, plan: Plan, given: dict[int, int]) -> None:
        """Carry out a plan whose process ends with it.

        Raises:
            LibcontainerError: a step failed.
        """
        launch = Launch(
            Compiled(plan),
            helper=self.image(),
            run_host_step=run_source_step,
            deadline_seconds=self.deadline_seconds,
            fault=self.fault,
        )
        try:
            launch.run(given)
        finally:
            launch.abort()

    def _new_launch(
        self,
        compiled: Compiled,
        actions: HostRunner,
        *,
        on_listener: Callable[[int, int], None] | None,
        take_terminal: Callable[[int], None] | None,
    ) -> Launch:
        return self._kind()(
            compiled,
            helper=self.image(),
            run_host_step=actions,
            deadline_seconds=self.deadline_seconds,
            fault=self.fault,
            on_listener=on_listener,
            take_terminal=take_terminal,
        )

    def _kind(self) -> Callable[..., Launch]:
        if self.trace is None:
            return Launch
        from libcontainer.host.trace import TracedLaunch  # noqa: PLC0415 - rare

        return functools.partial(TracedLaunch, trace=self.trace)

    def _take_template(self, *, for_launch: bool = False) -> int:
        """Return the fd of the template namespace, -1 for a launch without.

        To make it is a launch of its own, so the first goes without: many programs
        launch once.
        """
        if for_launch and not (self._has_launched or self._template.is_there):
            self._has_launched = True
            return -1
        return self._template.take(self.image()) if is_privileged() else -1


def _slots(running: Running, stdio: Stdio) -> dict[int, int]:
    """Return slot to fd of all that a launch is handed."""
    if running.settings.host_uid is not None:
        stdio.give_to(running.settings.host_uid)
    slots = stdio.given(running.compiled.plan.stdio)
    slots.update(running.given or {})
    return slots


def _end(launch: Launch | None, made: list[ProcessHandle]) -> None:
    if made and made[0]._is_owner:  # noqa: SLF001 - what it has taken over
        (handle,) = made
        handle.kill()
        handle.wait(_END_SECONDS)
        handle.close()
    elif launch is not None:
        launch.abort()


def _handle_of(
    launch: Launch, running: Running, stdio: Stdio, made: list[ProcessHandle]
) -> ProcessHandle:
    if launch.notify:
        _relay(launch)
    return ProcessHandle(
        running.settings.args,
        pidfd=launch.pidfd,
        host_pid=launch.host_pid,
        terminal=launch.terminal if launch.terminal >= 0 else None,
        stdio=stdio,
        companions=running.companions,
        status=launch.status,
        record=_exit_record(running.actions, launch),
        notifier=running.taker.server if running.taker else None,
        made=made,
    )


def _relay(launch: Launch) -> None:
    from libcontainer.host.notify import Relay  # noqa: PLC0415

    manager, inside = launch.notify
    Relay(inside, manager, os.dup(launch.pidfd), launch.host_pid).start()


def _exit_record(actions: HostRunner, launch: Launch) -> ExitRecord | None:
    if not isinstance(actions, HostActions) or actions.exit_record is None:
        return None
    return actions.exit_record(launch)


def _console(process: Process) -> contextlib.AbstractContextManager[Any]:
    """Return the connection to whoever gets the terminal; None where nobody does."""
    if process.console_socket is None:
        return contextlib.nullcontext()
    # Loaded here: few processes have one.
    from libcontainer.host.console import ConsoleSocket  # noqa: PLC0415

    return ConsoleSocket(process.console_socket)
