# SPDX-License-Identifier: Apache-2.0
"""From what is wanted to a running process: check, plan, launch, hand over."""

from __future__ import annotations

import json
import os
import threading

from attrs import evolve

from libcontainer.bindings.helper import sealed_helper
from libcontainer.config import Config, config_to_json
from libcontainer.errors import ConfigError
from libcontainer.handle import ProcessHandle
from libcontainer.host.actions import HostActions, JoinActions
from libcontainer.host.check import check_host
from libcontainer.host.fds import above_stdio
from libcontainer.host.launch import HostRunner, Launch
from libcontainer.host.probe import is_privileged, read_facts
from libcontainer.host.processref import ProcessRef, record_of
from libcontainer.host.stdio import Stdio
from libcontainer.host.store import Folder
from libcontainer.host.template import Template
from libcontainer.host.users import identity_in_container, identity_in_rootfs
from libcontainer.memo import Memo
from libcontainer.plan import (
    Facts,
    Settings,
    compile_create,
    compile_join,
    explain,
    merge,
)
from libcontainer.plan.compiled import Compiled
from libcontainer.plan.join import INIT_SLOT
from libcontainer.process import Process
from libcontainer.state import State
from libcontainer.status import Status
from libcontainer.validate import validate, validate_process

DEADLINE_SECONDS = 30.0


class Launcher:
    """What launches share: the helper's image and the template namespace.

    Both are made at the first launch and kept as one fd each.
    """

    def __init__(self, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self.deadline_seconds = deadline_seconds
        self.fault = (0, 0)
        self._lock = threading.Lock()
        self._helper = -1
        self._template = Template()
        self._texts: Memo[Config, bytes] = Memo()
        self._plans: Memo[tuple[object, ...], Compiled] = Memo()

    def check(self, config: Config) -> bytes:
        """Return a configuration's JSON text if nothing is wrong with it.

        Raises:
            ConfigError: with every problem.
        """
        text = self._texts.get(config, _checked_text)
        problems = check_host(config)
        if problems:
            raise ConfigError(problems)
        return text

    def explain(self, config: Config, process: Process, *, gate: bool) -> str:
        """Return the plan of an init process as text."""
        self.check(config)
        _check_process(config, process)
        compiled, _ = self._compile_create(config, process, gate=gate)
        return explain(compiled.plan)

    def create(
        self,
        folder: Folder,
        state: State,
        config: Config,
        process: Process,
        *,
        gate: bool,
        companions: list[ProcessHandle],
    ) -> ProcessHandle:
        """Launch the init process of a container.

        Args:
            folder: the container's folder, locked.
            state: what the folder's state file says.
            config: the container's configuration.
            process: what init becomes.
            gate: whether it waits at the gate first.
            companions: where handles of processes that join will be put.

        Raises:
            LibcontainerError: nothing is left behind, the state is as before.
        """
        _check_process(config, process)
        compiled, settings = self._compile_create(config, process, gate=gate)

        def record(status: str, launch: Launch) -> None:
            folder.write(
                evolve(
                    state,
                    status=Status(status),
                    init=record_of(launch.host_pid),
                    args=settings.args,
                )
            )

        actions = HostActions(
            folder, self._take_template(), record, process.pidfd_socket
        )
        try:
            return self._launch(
                compiled, settings, process, actions, companions=companions
            )
        except BaseException:
            folder.remove_gate()
            folder.write(state)
            raise

    def join(self, config: Config, process: Process, init: ProcessRef) -> ProcessHandle:
        """Launch a further process in the container of *init*.

        Raises:
            LibcontainerError: nothing is left behind.
        """
        _check_process(config, process)
        identity = identity_in_container(config, process, init.host_pid)
        settings = merge(config, process, identity)
        facts = read_facts(template=False)
        compiled = self._plans.get(
            (config, settings, facts),
            lambda _: Compiled(compile_join(config, settings, facts)),
        )
        actions = JoinActions(process.pidfd_socket)
        return self._launch(compiled, settings, process, actions, init_pidfd=init.pidfd)

    def close(self) -> None:
        """Let go of the helper and the template; a later launch remakes them."""
        with self._lock:
            helper, self._helper = self._helper, -1
        if helper >= 0:
            os.close(helper)
        self._template.close()

    def _compile_create(
        self, config: Config, process: Process, *, gate: bool
    ) -> tuple[Compiled, Settings]:
        identity = identity_in_rootfs(config, process)
        settings = merge(config, process, identity)
        facts = self._facts()
        compiled = self._plans.get(
            (config, settings, facts, gate),
            lambda _: Compiled(compile_create(config, settings, facts, gate=gate)),
        )
        return compiled, settings

    def _facts(self) -> Facts:
        return read_facts(template=self._take_template() >= 0)

    def _take_template(self) -> int:
        return self._template.take(self._image()) if is_privileged() else -1

    def _image(self) -> int:
        with self._lock:
            if self._helper < 0:
                self._helper = above_stdio(sealed_helper())
            return self._helper

    def _launch(
        self,
        compiled: Compiled,
        settings: Settings,
        process: Process,
        actions: HostRunner,
        *,
        init_pidfd: int = -1,
        companions: list[ProcessHandle] | None = None,
    ) -> ProcessHandle:
        launch = Launch(
            compiled,
            helper=self._image(),
            run_host_step=actions,
            deadline_seconds=self.deadline_seconds,
            fault=self.fault,
        )
        with Stdio(process, terminal=settings.terminal) as stdio:
            given = stdio.given(compiled.plan.stdio)
            if init_pidfd >= 0:
                given[INIT_SLOT] = init_pidfd
            launch.run(given)
            if launch.notify:
                _relay(launch)
            return ProcessHandle(
                settings.args,
                pidfd=launch.pidfd,
                host_pid=launch.host_pid,
                terminal=launch.terminal if launch.terminal >= 0 else None,
                stdio=stdio,
                companions=companions,
                status=launch.status,
            )


def _relay(launch: Launch) -> None:
    from libcontainer.host.notify import Relay  # noqa: PLC0415

    manager, inside = launch.notify
    Relay(inside, manager, os.dup(launch.pidfd), launch.host_pid).start()


def _checked_text(config: Config) -> bytes:
    problems = validate(config)
    if problems:
        raise ConfigError(problems)
    return json.dumps(config_to_json(config)).encode()


def _check_process(config: Config, process: Process) -> None:
    problems = validate_process(config, process)
    if problems:
        raise ConfigError(problems)
