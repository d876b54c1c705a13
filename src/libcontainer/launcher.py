# SPDX-License-Identifier: Apache-2.0
"""From what is wanted to a running process: check, plan, launch, hand over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from attrs import evolve

from libcontainer.cgroups.group import Group, Joined
from libcontainer.cgroups.writes import Write
from libcontainer.config import Config, NamespaceType
from libcontainer.config.hooks import NO_HOOKS
from libcontainer.errors import ConfigError, HelperError, Problem
from libcontainer.handle import ProcessHandle
from libcontainer.host.actions import HostActions, JoinActions
from libcontainer.host.processref import ProcessRef
from libcontainer.host.store import Folder
from libcontainer.launches.engine import Engine, Running
from libcontainer.launches.planner import joined_user_path
from libcontainer.launches.recording import Recorder, undo
from libcontainer.launches.start import DEADLINE_SECONDS, Start
from libcontainer.plan import explain
from libcontainer.plan.cgroup import cgroup_owner
from libcontainer.plan.compiled import Compiled
from libcontainer.plan.steps import INIT_SLOT
from libcontainer.process import Process
from libcontainer.state import ProcessRecord, State
from libcontainer.validate import validate_log

if TYPE_CHECKING:
    from libcontainer.host.hooks import HookRunner
    from libcontainer.host.rdt import RdtJoiner, Resctrl
    from libcontainer.host.seccomp_notify import ListenerTaker
    from libcontainer.host.unit import UnitMaker
    from libcontainer.network.runner import NetworkRunner

_PLAIN = Start()


class Launcher(Engine):
    """Launches containers and further processes in them."""

    def __init__(
        self,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        resctrl: str | None = None,
    ) -> None:
        super().__init__(deadline_seconds=deadline_seconds)
        self._resctrl = resctrl

    def resctrl(self) -> Resctrl:
        """Return the resctrl filesystem.

        Raises:
            UnsupportedError: none is mounted.
        """
        from libcontainer.host.rdt import Resctrl, find_resctrl  # noqa: PLC0415 - rare

        return Resctrl(self._resctrl or find_resctrl())

    def check(self, config: Config) -> bytes:
        """Return a configuration's JSON text; see `Planner.check`."""
        return self.planner.check(config)

    def limits(self, config: Config, paths: Mapping[str, str]) -> tuple[Write, ...]:
        """Return what is written into a new cgroup; see `Planner.limits`."""
        return self.planner.limits(config, paths)

    def complete(self, config: Config) -> Config:
        """Return a checked configuration with everything that it leaves to us.

        Raises:
            UnsupportedError: there are no ids for its user namespace.
        """
        if NamespaceType.USER not in config.namespaces or config.uid_mappings:
            return config
        if joined_user_path(config) is not None:
            return config
        from libcontainer.host.subids import subid_mappings  # noqa: PLC0415 - rare

        uids, gids = subid_mappings()
        return evolve(config, uid_mappings=uids, gid_mappings=gids)

    def explain(
        self,
        config: Config,
        process: Process,
        *,
        gate: bool,
        group: Group,
    ) -> str:
        """Return the plan of an init process as text."""
        self.check(config)
        self.planner.check_process(config, process)
        _check_is_first(process)
        template = self._take_template() >= 0
        start = Start(gate=gate)
        compiled, _ = self.planner.plan_create(
            config, process, start, group, template=template
        )
        return explain(compiled.plan)

    def create(
        self,
        folder: Folder,
        state: State,
        config: Config,
        process: Process,
        start: Start,
        *,
        companions: list[ProcessHandle],
    ) -> ProcessHandle:
        """Launch the init process of a container.

        Args:
            folder: the container's folder, locked.
            state: what the folder's state file says.
            config: the container's configuration.
            process: what init becomes.
            start: how it is started.
            companions: where handles of processes that join will be put.

        Raises:
            LibcontainerError: nothing is left behind, the state is as before.
        """
        self.planner.check_process(config, process)
        _check_is_first(process)
        _check_log(process, start)
        group = Group(state.cgroup, state.unit)
        template = self._take_template(for_launch=True)
        compiled, settings = self.planner.plan_create(
            config, process, start, group, template=template >= 0
        )
        recorder = Recorder(folder, state, config, settings.args)
        actions = self._actions(folder, state, config, recorder)
        actions.template = template
        actions.pidfd_socket = process.pidfd_socket
        if state.cgroup:
            actions.group = group
        if start != _PLAIN:
            actions.exit_record = recorder.exit_record
        try:
            taker = _taker(
                compiled, config, process, (folder.id, folder.path), init=True
            )
            handle = self.start(
                Running(
                    compiled,
                    settings,
                    process,
                    actions,
                    companions=companions,
                    taker=taker,
                )
            )
            handle.record = recorder.init
            if actions.hooks is not None and not start.gate:
                _poststart(actions.hooks, config, handle)
        except BaseException as error:
            if isinstance(error, HelperError) and state.cgroup:
                _tell_if_starved(error, group)
            undo(actions, state, error)
            if actions.hooks is not None:
                _after_failure(actions.hooks, config, error)
            raise
        finally:
            actions.close()
            recorder.forget_launch()
        return handle

    def _actions(
        self, folder: Folder, state: State, config: Config, recorder: Recorder
    ) -> HostActions:
        """Return what carries out the HOST steps of a container's first process."""
        actions = HostActions(folder, -1, recorder.save)
        if config.hooks != NO_HOOKS:
            # Loaded here: few containers have any.
            from libcontainer.launches.hooks import hook_runner  # noqa: PLC0415

            actions.hooks = hook_runner(self, state.id, folder.path, config)
        actions.network = _network_runner(state, config, recorder.save_companions)
        actions.rdt = self._rdt(config, state.id, state.rdt)
        if state.cgroup:
            actions.limits = self.limits(config, state.cgroup)
            actions.owner = cgroup_owner(config)
            actions.unit_maker = _unit_maker(state, config)
        return actions

    def join(
        self,
        config: Config,
        process: Process,
        init: ProcessRef,
        group: Group | None = None,
        *,
        container: tuple[str, str],
        joined: list[ProcessHandle],
    ) -> ProcessHandle:
        """Launch a further process in the container of *init*, in its cgroup.

        Args:
            config: the container's configuration.
            process: what is to run.
            init: its init process.
            group: its cgroup, or None.
            container: its id and the path of its state folder.
            joined: where the handle is put as soon as there is one.

        Raises:
            LibcontainerError: nothing is left behind.
        """
        self.planner.check_process(config, process)
        place = None if group is None else _place_of(group, process, init)
        entered = None if place is None else place.group
        try:
            compiled, settings = self.planner.plan_join(config, process, init, entered)
            rdt = self._rdt(config, container[0])
            taker = _taker(compiled, config, process, container, init=False)
            handle = self.start(
                Running(
                    compiled,
                    settings,
                    process,
                    JoinActions(process.pidfd_socket, rdt, entered),
                    given={INIT_SLOT: init.pidfd},
                    joined=joined,
                    taker=taker,
                )
            )
        except BaseException as error:
            if place is not None:
                if isinstance(error, HelperError) and place.own is not None:
                    _tell_if_starved(error, place.own)
                place.remove()
            raise
        if place is not None and place.own is not None:
            handle.on_end = place.remove
        return handle

    def _rdt(
        self, config: Config, container_id: str, made: tuple[str, ...] = ()
    ) -> RdtJoiner | None:
        if config.intel_rdt is None:
            return None
        from libcontainer.host.rdt import RdtJoiner  # noqa: PLC0415 - rare

        return RdtJoiner(self.resctrl(), container_id, made)


def _tell_if_starved(error: HelperError, group: Group) -> None:
    from libcontainer.launches.starved import tell_if_starved  # noqa: PLC0415 - rare

    tell_if_starved(error, group)


def _place_of(group: Group, process: Process, init: ProcessRef) -> Joined:
    plain = process.cgroup is None and process.resources is None
    if plain and not group.refuses_processes():
        return Joined(group)
    from libcontainer.cgroups.subgroup import join_group  # noqa: PLC0415

    return join_group(group, process.cgroup, process.resources, init.host_pid)


def _unit_maker(state: State, config: Config) -> UnitMaker | None:
    if state.unit is None:
        return None
    from libcontainer.host.unit import UnitMaker  # noqa: PLC0415 - rare

    return UnitMaker(state.id, config)


def _network_runner(
    state: State,
    config: Config,
    save: Callable[[tuple[ProcessRecord, ...]], None],
) -> NetworkRunner | None:
    if not config.networks and not config.routes:
        return None
    # Loaded here: most containers have no network.
    from libcontainer.host.companions import Companions  # noqa: PLC0415
    from libcontainer.network.runner import NetworkRunner  # noqa: PLC0415

    return NetworkRunner(state.id, state.network, Companions(save))


def _poststart(hooks: HookRunner, config: Config, handle: ProcessHandle) -> None:
    from libcontainer.launches.hooks import end_if_poststart_fails  # noqa: PLC0415

    end_if_poststart_fails(hooks, config, handle)


def _after_failure(hooks: HookRunner, config: Config, error: BaseException) -> None:
    from libcontainer.launches.hooks import after_failure  # noqa: PLC0415

    after_failure(hooks, config, error)


def _taker(
    compiled: Compiled,
    config: Config,
    process: Process,
    container: tuple[str, str],
    *,
    init: bool,
) -> ListenerTaker | None:
    """Return what takes the listener of a filter, if it will have one."""
    if not compiled.notifies or config.seccomp is None:
        return None
    from libcontainer.host.seccomp_notify import ListenerTaker  # noqa: PLC0415

    if process.wait_fifo is not None:
        message = "cannot be combined with a filter that uses SCMP_ACT_NOTIFY"
        raise ConfigError([Problem("process.wait_fifo", message)])
    if compiled.waits and process.notify is not None:
        message = "cannot be given to a process that waits at the gate"
        raise ConfigError([Problem("process.notify", message)])
    return ListenerTaker(config.seccomp, process.notify, *container, init=init)


def _check_is_first(process: Process) -> None:
    """Refuse for an init process what only a further one has."""
    problems = [
        Problem(f"process.{name}", "is of a further process; init has the container's")
        for name in ("cgroup", "resources", "wait_fifo")
        if getattr(process, name) is not None
    ]
    if problems:
        raise ConfigError(problems)


def _check_log(process: Process, start: Start) -> None:
    if start.log is None:
        return
    problems = validate_log(process, start.log)
    if not start.detach:
        problems.append(Problem("log", "is kept by a monitor: it needs detach"))
    if problems:
        raise ConfigError(problems)
