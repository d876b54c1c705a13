# SPDX-License-Identifier: Apache-2.0
"""From what is wanted to a running process: check, plan, launch, hand over."""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import evolve

from libcontainer.bindings.helper import sealed_helper
from libcontainer.cgroups.group import Group, Joined
from libcontainer.cgroups.limits import limits, update_limits
from libcontainer.cgroups.writes import Write
from libcontainer.config import (
    Config,
    Device,
    Mount,
    NamespaceType,
    Resources,
    config_to_json,
)
from libcontainer.config.hooks import NO_HOOKS
from libcontainer.errors import ConfigError, HookError, Problem
from libcontainer.handle import ProcessHandle
from libcontainer.host.actions import (
    HostActions,
    JoinActions,
    MapActions,
    run_source_step,
)
from libcontainer.host.check import check_host
from libcontainer.host.fds import above_stdio, close_all
from libcontainer.host.fork import ForkedLock
from libcontainer.host.launch import HostRunner, Launch
from libcontainer.host.probe import is_privileged, read_facts
from libcontainer.host.processref import ProcessRef, record_of
from libcontainer.host.stdio import Stdio
from libcontainer.host.store import Folder
from libcontainer.host.template import Template
from libcontainer.host.users import identity_in_container, identity_in_rootfs
from libcontainer.launching import DEADLINE_SECONDS, Start
from libcontainer.memo import Memo
from libcontainer.plan import (
    Facts,
    Identity,
    Plan,
    Settings,
    compile_create,
    explain,
    merge,
)
from libcontainer.plan.cgroup import cgroup_owner, cgroup_slots
from libcontainer.plan.compiled import OUTPUT, Compiled
from libcontainer.plan.hostroot import is_host_root
from libcontainer.plan.kinds import shares_pids
from libcontainer.plan.steps import INIT_SLOT
from libcontainer.process import Process
from libcontainer.state import ProcessRecord, State, oci_state
from libcontainer.status import Status
from libcontainer.validate import (
    validate,
    validate_device,
    validate_live_mount,
    validate_log,
    validate_process,
)

if TYPE_CHECKING:
    from libcontainer.host.exitrecord import ExitRecord
    from libcontainer.host.hooks import HookRunner
    from libcontainer.host.rdt import RdtJoiner, Resctrl
    from libcontainer.host.seccomp_notify import ListenerTaker
    from libcontainer.host.trace import Trace
    from libcontainer.host.unit import UnitMaker
    from libcontainer.network.runner import NetworkRunner

_END_SECONDS = 10.0


_PLAIN = Start()


class _Recorder:
    """Writes down who the init process of a launch is, and its monitor."""

    def __init__(
        self, folder: Folder, state: State, config: Config, args: tuple[str, ...]
    ) -> None:
        self._folder = folder
        self._config = config
        self._state = evolve(state, args=args)
        self._launch: tuple[str, Launch] | None = None
        self.init: ProcessRecord | None = None

    def save(self, status: str, launch: Launch) -> None:
        """Save the state of a container whose init is of *launch*."""
        if launch.monitor is not None and self._state.monitor is None:
            self._state = evolve(self._state, monitor=launch.monitor.meet())
        self._launch = (status, launch)
        self.init = record_of(launch.host_pid)
        self._folder.write(
            evolve(
                self._state,
                status=Status(status),
                init=self.init,
                mount_namespace=_leftovers_in(self._config, launch.host_pid),
            )
        )

    def save_companions(self, companions: tuple[ProcessRecord, ...]) -> None:
        """Save who runs beside the container, with what was saved before."""
        self._state = evolve(self._state, companions=companions)
        if self._launch is None:
            self._folder.write(self._state)
        else:
            self.save(*self._launch)

    def exit_record(self, launch: Launch) -> ExitRecord:
        """Return where the end of that init is to be written down."""
        # Loaded here: most containers have no such record.
        from libcontainer.host.exitrecord import ExitRecord  # noqa: PLC0415

        monitor = self._state.monitor
        return ExitRecord(self._folder.path, launch.host_pid, monitor)


class Launcher:
    """What launches share: the helper's image and the template namespace.

    Both are made at the first launch and kept as one fd each.
    """

    def __init__(
        self,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        resctrl: str | None = None,
    ) -> None:
        self._resctrl = resctrl
        self.deadline_seconds = deadline_seconds
        self.fault = (0, 0)
        self.trace: Trace | None = None
        self._lock = ForkedLock()
        self._helper = -1
        self._template = Template()
        self._has_launched = False
        self._texts: Memo[Config, bytes] = Memo()
        self._limits: Memo[tuple[object, ...], tuple[Write, ...]] = Memo()
        self._plans: Memo[tuple[object, ...], Compiled] = Memo()
        self._settings: Memo[tuple[object, ...], Settings] = Memo()
        self._valid: Memo[tuple[object, ...], bool] = Memo()

    def resctrl(self) -> Resctrl:
        """Return the resctrl filesystem.

        Raises:
            UnsupportedError: none is mounted.
        """
        from libcontainer.host.rdt import Resctrl, find_resctrl  # noqa: PLC0415 - rare

        return Resctrl(self._resctrl or find_resctrl())

    def _rdt(
        self, config: Config, container_id: str, made: tuple[str, ...] = ()
    ) -> RdtJoiner | None:
        if config.intel_rdt is None:
            return None
        from libcontainer.host.rdt import RdtJoiner  # noqa: PLC0415 - rare

        return RdtJoiner(self.resctrl(), container_id, made)

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

    def complete(self, config: Config) -> Config:
        """Return a checked configuration with everything that it leaves to us.

        Raises:
            UnsupportedError: there are no ids for its user namespace.
        """
        if NamespaceType.USER not in config.namespaces or config.uid_mappings:
            return config
        if _joined_user_path(config) is not None:
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
        self._check_process(config, process)
        template = self._take_template() >= 0
        start = Start(gate=gate)
        compiled, _ = self._compile_create(config, process, start, group, template)
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
        self._check_process(config, process)
        _check_is_first(process)
        _check_log(process, start)
        group = Group(state.cgroup, state.unit)
        template = self._take_template(for_launch=True)
        compiled, settings = self._compile_create(
            config, process, start, group, template >= 0
        )
        recorder = _Recorder(folder, state, config, settings.args)
        hooks = self._hook_runner(state.id, folder.path, config)
        actions = HostActions(
            folder,
            template,
            recorder.save,
            hooks=hooks,
            pidfd_socket=process.pidfd_socket,
        )
        actions.network = _network_runner(state, config, recorder.save_companions)
        actions.rdt = self._rdt(config, state.id, state.rdt)
        if start != _PLAIN:
            actions.exit_record = recorder.exit_record
        if state.cgroup:
            actions.group = group
            actions.limits = self.limits(config, state.cgroup)
            actions.owner = cgroup_owner(config)
            actions.unit_maker = _unit_maker(state, config)
        try:
            handle = self._launch(
                compiled,
                settings,
                process,
                actions,
                companions=companions,
                taker=_taker(
                    compiled, config, process, (folder.id, folder.path), init=True
                ),
            )
            handle.record = recorder.init
            if hooks is not None and not start.gate:
                _poststart(hooks, config, handle)
        except BaseException as error:
            _undo(actions, state, error)
            if hooks is not None:
                _give_output(error, hooks)
                self._hooks_failed(hooks, config)
            raise
        finally:
            actions.close()
        return handle

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
        self._check_process(config, process)
        identity = identity_in_container(config, process, init.host_pid)
        settings = self._merge(config, process, identity)
        place = None if group is None else _place_of(group, process, init)
        names = () if place is None else tuple(place.group.paths)
        facts = read_facts(
            template=False, config=config, settings=settings, cgroups=names
        )
        if place is not None and place.group.unit is not None:
            facts = _with_unit(facts, place.group)
        facts = _with_maps_of(init, config, facts)
        # Loaded here, as all that only some launches need.
        from libcontainer.plan.join import compile_join  # noqa: PLC0415

        given = {INIT_SLOT: init.pidfd}
        joins: list[int] = []
        try:
            compiled = self._plans.get(
                (config, settings, facts),
                lambda _: Compiled(compile_join(config, settings, facts)),
            )
            slots = cgroup_slots(compiled.plan)
            if place is not None and slots:
                joins = place.group.open_joins()
            given.update(zip(slots, joins, strict=True))
            handle = self._launch(
                compiled,
                settings,
                process,
                JoinActions(
                    process.pidfd_socket, group, self._rdt(config, container[0])
                ),
                given=given,
                joined=joined,
                taker=_taker(compiled, config, process, container, init=False),
            )
        except BaseException:
            if place is not None:
                place.remove()
            raise
        finally:
            close_all(joins)
        if place is not None and place.own is not None:
            handle.on_end = place.remove
        return handle

    def limits(self, config: Config, paths: Mapping[str, str]) -> tuple[Write, ...]:
        """Return what is written into a new cgroup of *config* at *paths*.

        Raises:
            UnsupportedError: a limit that this version of cgroups does not have.
        """
        return self._limits.get((config, *paths), lambda _: limits(config, paths))

    def update(self, group: Group, resources: Resources) -> tuple[Write, ...]:
        """Change limits of a cgroup, but for devices; all of them, or none.

        Returns:
            What takes the change back, for `Group.restore`.

        Raises:
            UnsupportedError, CgroupError: nothing has changed.
        """
        before = group.read(update_limits(resources, group.paths))
        now = {write.file: write.value for write in before}
        writes = update_limits(resources, group.paths, now)
        try:
            group.write(writes)
            if group.unit is not None:
                from libcontainer.host.unit import change_limits  # noqa: PLC0415

                # systemd rounds some, so ours come once more.
                change_limits(group, resources)
                group.write(writes)
        except BaseException:
            group.restore(before)
            raise
        return before

    def enter(
        self,
        config: Config,
        process: Process,
        init: ProcessRef,
        kinds: frozenset[NamespaceType],
    ) -> ProcessHandle:
        """Launch a program of the host in namespaces *kinds* of a container.

        Raises:
            LibcontainerError: nothing is left behind.
        """
        self._check_process(config, process)
        home = dict(process.env or ()).get("HOME", "/")
        caller = Identity(uid=os.geteuid(), gid=os.getegid(), groups=(), home=home)
        # It stays the caller's user, whose streams these are.
        settings = evolve(merge(config, process, caller), host_uid=None)
        facts = _with_maps_of(init, config, read_facts(template=False))
        own = kinds & config.namespaces
        from libcontainer.plan.enter import compile_enter  # noqa: PLC0415

        compiled = Compiled(compile_enter(config, settings, facts, own))
        actions = JoinActions(process.pidfd_socket)
        return self._launch(
            compiled, settings, process, actions, given={INIT_SLOT: init.pidfd}
        )

    def run_mapped(self, config: Config, process: Process) -> ProcessHandle:
        """Launch a program of the host as root of a user namespace of its own.

        Raises:
            LibcontainerError: nothing is left behind.
        """
        from libcontainer.plan.mapped import compile_mapped  # noqa: PLC0415 - rare

        self._check_process(config, process)
        caller = Identity(uid=os.geteuid(), gid=os.getegid(), groups=(), home="/")
        settings = evolve(merge(config, process, caller), host_uid=None)
        plan = compile_mapped(config, settings, read_facts(template=False))
        return self._launch(Compiled(plan), settings, process, MapActions())

    def mknod(self, config: Config, device: Device, init: ProcessRef) -> None:
        """Make a node in the /dev of the container of *init*.

        Raises:
            LibcontainerError: nothing is left behind.
        """
        from libcontainer.host.inside import open_inside  # noqa: PLC0415 - rare
        from libcontainer.plan.enter import DEV_SLOT, compile_mknod  # noqa: PLC0415

        problems = validate_device(device)
        if problems:
            raise ConfigError(problems)
        facts = read_facts(template=False)
        launch = Launch(
            Compiled(compile_mknod(config, device, facts)),
            helper=self._image(),
            run_host_step=run_source_step,
            deadline_seconds=self.deadline_seconds,
            fault=self.fault,
        )
        with open_inside(init, "dev") as dev:
            try:
                launch.run({INIT_SLOT: init.pidfd, DEV_SLOT: dev})
            finally:
                launch.abort()

    def poststart(self, container_id: str, path: str, config: Config, pid: int) -> None:
        """Run the hooks that follow the start of the program.

        Args:
            container_id: the container's id.
            path: its state folder.
            config: its configuration.
            pid: of its init, in the caller's pid namespace.

        Raises:
            HookError: one has failed; the container still runs.
        """
        runner = self._hook_runner(container_id, path, config)
        if runner is not None:
            runner.run("poststart", config.hooks.poststart, "running", pid)

    def poststop(self, container_id: str, path: str, config: Config) -> None:
        """Run the hooks that follow the end of a container; warn if one fails."""
        runner = self._hook_runner(container_id, path, config)
        if runner is not None:
            runner.run_all("poststop", config.hooks.poststop, "stopped")

    def _hook_runner(
        self, container_id: str, path: str, config: Config
    ) -> HookRunner | None:
        if config.hooks == NO_HOOKS:
            return None

        def describe(status: str, pid: int | None) -> dict[str, Any]:
            labels = dict(config.labels)
            return oci_state(container_id, status, pid, bundle=path, annotations=labels)

        from libcontainer.host.hooks import HookRunner  # noqa: PLC0415 - few have any

        return HookRunner(self._image(), describe)

    def _hooks_failed(self, hooks: HookRunner, config: Config) -> None:
        # The specification goes on with the end of the container's life.
        if hooks.has_begun:
            hooks.run_all("poststop", config.hooks.poststop, "stopped")

    def with_leftovers(self, state: State, init: ProcessRef) -> State:
        """Return a state that tells where processes of the container are found."""
        if state.mount_namespace is not None:
            return state
        # A caller without privilege is not told it before the program runs.
        from libcontainer.host import leftovers  # noqa: PLC0415 - rare

        found = leftovers.mount_namespace_of(init.host_pid)
        return evolve(state, mount_namespace=found)

    def mount(self, config: Config, mount: Mount, init: ProcessRef) -> None:
        """Add a mount to the container of *init*.

        Raises:
            LibcontainerError: the container is as before.
        """
        from libcontainer.plan.live import compile_mount  # noqa: PLC0415

        problems = validate_live_mount(config, mount)
        if problems:
            raise ConfigError(problems)
        facts = read_facts(template=False)
        self._run_apart(compile_mount(config, mount, facts), {INIT_SLOT: init.pidfd})

    def unmount(self, config: Config, path: str, target: int, init: ProcessRef) -> None:
        """Take the mount *target*, an fd, from the container of *init*.

        Raises:
            LibcontainerError: the container is as before.
        """
        from libcontainer.plan.live import (  # noqa: PLC0415
            TARGET_SLOT,
            compile_unmount,
        )

        plan = compile_unmount(config, path, read_facts(template=False))
        self._run_apart(plan, {INIT_SLOT: init.pidfd, TARGET_SLOT: target})

    def _run_apart(self, plan: Plan, given: dict[int, int]) -> None:
        """Carry out a plan whose process ends with it."""
        launch = Launch(
            Compiled(plan),
            helper=self._image(),
            run_host_step=run_source_step,
            deadline_seconds=self.deadline_seconds,
            fault=self.fault,
        )
        try:
            launch.run(given)
        finally:
            launch.abort()

    def _kind(self) -> Callable[..., Launch]:
        if self.trace is None:
            return Launch
        from libcontainer.host.trace import TracedLaunch  # noqa: PLC0415 - rare

        return functools.partial(TracedLaunch, trace=self.trace)

    def close(self) -> None:
        """Let go of the helper and the template; a later launch remakes them."""
        with self._lock:
            helper, self._helper = self._helper, -1
        if helper >= 0:
            close_all((helper,))
        self._template.close()

    def _compile_create(
        self,
        config: Config,
        process: Process,
        start: Start,
        group: Group,
        template: bool,  # noqa: FBT001
    ) -> tuple[Compiled, Settings]:
        identity = identity_in_rootfs(config, process)
        settings = self._merge(config, process, identity)
        facts = self._facts(config, settings, tuple(group.paths), template=template)
        if group.unit is not None:
            facts = _with_unit(facts, group)
        gate, detached = start.gate, None
        if start.detach:
            # Loaded here, as is all of the monitor: most containers have none.
            from libcontainer.plan.monitor import Detached  # noqa: PLC0415

            captures = not settings.terminal and _leaves_output(process)
            detached = Detached(start.log, captures)
        compiled = self._plans.get(
            (config, settings, facts, gate, detached),
            lambda _: Compiled(
                compile_create(config, settings, facts, gate=gate, detached=detached)
            ),
        )
        return compiled, settings

    def _check_process(self, config: Config, process: Process) -> None:
        streams = (process.stdin, process.stdout, process.stderr)
        if process.notify is not None or process.console_socket is not None:
            _checked_process(config, process)
        elif all(stream is None or type(stream) is int for stream in streams):
            # Nothing is kept alive by the memory of it.
            self._valid.get(
                (config, process, streams), lambda _: _checked_process(config, process)
            )
        else:
            _checked_process(config, process)

    def _merge(self, config: Config, process: Process, identity: Identity) -> Settings:
        return self._settings.get(
            (config, process, identity),
            lambda _: merge(config, process, identity),
        )

    def _facts(
        self,
        config: Config,
        settings: Settings,
        cgroups: tuple[str, ...],
        *,
        template: bool,
    ) -> Facts:
        facts = read_facts(
            template=template, config=config, settings=settings, cgroups=cgroups
        )
        if not facts.privileged and is_host_root(config):
            from libcontainer.host.hostroot import read_host_root  # noqa: PLC0415

            facts = evolve(facts, host_root=read_host_root())
        if config.no_pivot_root:
            from libcontainer.host.revealing import read_revealing  # noqa: PLC0415

            facts = evolve(facts, revealing=read_revealing())
        if any("copy-symlink" in mount.extras for mount in config.mounts):
            from libcontainer.host.copylink import read_links  # noqa: PLC0415 - rare

            facts = evolve(facts, links=read_links(config))
        if any(mount.type == "cgroup" for mount in config.base_mounts + config.mounts):
            facts = evolve(facts, hierarchies=_hierarchies())
        path = _joined_user_path(config)
        if path is None:
            return facts
        from libcontainer.host.namespaces import maps_of_namespace  # noqa: PLC0415 - rare

        return evolve(facts, joined_user=maps_of_namespace(path, self._image()))

    def _take_template(self, *, for_launch: bool = False) -> int:
        """Return the fd of the template namespace, -1 for a launch without.

        To make it is a launch of its own, so the first goes without: many programs
        launch once.
        """
        if for_launch and not (self._has_launched or self._template.is_there):
            self._has_launched = True
            return -1
        return self._template.take(self._image()) if is_privileged() else -1

    def _image(self) -> int:
        with self._lock:
            if self._helper < 0:
                self._helper = above_stdio(sealed_helper())
            return self._helper

    def _launch(  # noqa: PLR0913 - two kinds of launches meet here
        self,
        compiled: Compiled,
        settings: Settings,
        process: Process,
        actions: HostRunner,
        *,
        given: Mapping[int, int] | None = None,
        companions: list[ProcessHandle] | None = None,
        joined: list[ProcessHandle] | None = None,
        taker: ListenerTaker | None = None,
    ) -> ProcessHandle:
        launch: Launch | None = None
        handle: ProcessHandle | None = None
        try:
            with (
                _console(process) as console,
                Stdio(
                    process, terminal=settings.terminal, detached=compiled.has_monitor
                ) as stdio,
            ):
                launch = self._kind()(
                    compiled,
                    helper=self._image(),
                    run_host_step=actions,
                    deadline_seconds=self.deadline_seconds,
                    fault=self.fault,
                    on_listener=taker,
                    take_terminal=None if console is None else console.send,
                )
                if settings.host_uid is not None:
                    stdio.give_to(settings.host_uid)
                slots = {**stdio.given(compiled.plan.stdio), **(given or {})}
                if stdio.captured >= 0:
                    slots[compiled.slot_of(OUTPUT)] = stdio.captured
                launch.run(slots)
                handle = _handle_of(launch, settings, actions, stdio, companions, taker)
                if joined is not None:
                    joined.append(handle)
        except BaseException:
            # What came after the launch, too: a program that nobody has a handle
            # of could not be waited for, and its container not be ended.
            _end(launch, handle)
            raise
        return handle


def _place_of(group: Group, process: Process, init: ProcessRef) -> Joined:
    plain = process.cgroup is None and process.resources is None
    if plain and not group.gives_controllers():
        return Joined(group)
    from libcontainer.cgroups.subgroup import join_group  # noqa: PLC0415

    return join_group(group, process.cgroup, process.resources, init.host_pid)


def _with_unit(facts: Facts, group: Group) -> Facts:
    return evolve(facts, enters_by_unit=not group.is_reachable())


def _unit_maker(state: State, config: Config) -> UnitMaker | None:
    if state.unit is None:
        return None
    from libcontainer.host.unit import UnitMaker  # noqa: PLC0415 - rare

    return UnitMaker(state.id, config)


def _end(launch: Launch | None, handle: ProcessHandle | None) -> None:
    if handle is not None:
        handle.kill()
        handle.wait(_END_SECONDS)
        handle.close()
    elif launch is not None:
        launch.abort()


def _handle_of(  # noqa: PLR0917 - what a handle is made of
    launch: Launch,
    settings: Settings,
    actions: HostRunner,
    stdio: Stdio,
    companions: list[ProcessHandle] | None,
    taker: ListenerTaker | None,
) -> ProcessHandle:
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
        record=_exit_record(actions, launch),
        notifier=taker.server if taker else None,
    )


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


def _hierarchies() -> tuple[str, ...]:
    """Return the names of the cgroup hierarchies that the host has mounted."""
    from libcontainer.cgroups.hierarchy import read_hierarchies  # noqa: PLC0415 - rare

    found = read_hierarchies()
    unified = () if found.unified is None else (found.unified.name,)
    return (*(hierarchy.name for hierarchy in found.v1), *unified)


def _relay(launch: Launch) -> None:
    from libcontainer.host.notify import Relay  # noqa: PLC0415

    manager, inside = launch.notify
    Relay(inside, manager, os.dup(launch.pidfd), launch.host_pid).start()


def _leftovers_in(config: Config, host_pid: int) -> int | None:
    if not shares_pids(config):
        return None
    from libcontainer.host.leftovers import mount_namespace_of  # noqa: PLC0415 - rare

    return mount_namespace_of(host_pid)


def _with_maps_of(init: ProcessRef, config: Config, facts: Facts) -> Facts:
    if _joined_user_path(config) is None:
        return facts
    from libcontainer.host.namespaces import maps_of_process  # noqa: PLC0415 - rare

    return evolve(facts, joined_user=maps_of_process(init.host_pid, init.pidfd))


def _joined_user_path(config: Config) -> str | None:
    """Return the path of the user namespace that a container joins, or None."""
    paths = (path for kind, path in config.namespace_paths if kind == "user")
    return next(paths, None)


def _console(process: Process) -> contextlib.AbstractContextManager[Any]:
    """Return the connection to who gets the terminal; None where nobody does."""
    if process.console_socket is None:
        return contextlib.nullcontext()
    # Loaded here: few processes have one.
    from libcontainer.host.console import ConsoleSocket  # noqa: PLC0415

    return ConsoleSocket(process.console_socket)


def _undo(actions: HostActions, state: State, error: BaseException) -> None:
    """Take back what a launch that failed has left in the container's folder."""
    folder = actions.folder
    folder.remove_gate()
    if actions.exit_record is not None:
        folder.remove_monitor_files()
    actions.undo(error)
    folder.write(state)


def _exit_record(actions: HostRunner, launch: Launch) -> ExitRecord | None:
    if not isinstance(actions, HostActions) or actions.exit_record is None:
        return None
    return actions.exit_record(launch)


def _leaves_output(process: Process) -> bool:
    """Tell whether an output is left to the monitor."""
    return process.stdout is None or process.stderr is None


def _give_output(error: BaseException, hooks: HookRunner) -> None:
    if isinstance(error, HookError) and not error.output:
        error.output = hooks.output()


def _poststart(hooks: HookRunner, config: Config, handle: ProcessHandle) -> None:
    try:
        hooks.run("poststart", config.hooks.poststart, "running", handle.host_pid)
    except BaseException:
        handle.kill()
        handle.wait()
        handle.close()
        raise


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

    if compiled.waits and process.notify is not None:
        message = "cannot be given to a process that waits at the gate"
        raise ConfigError([Problem("process.notify", message)])
    return ListenerTaker(config.seccomp, process.notify, *container, init=init)


def _checked_text(config: Config) -> bytes:
    problems = validate(config)
    if problems:
        raise ConfigError(problems)
    return json.dumps(config_to_json(config)).encode()


def _check_is_first(process: Process) -> None:
    """Refuse for an init process what only a further one has."""
    problems = [
        Problem(f"process.{name}", "is of a further process; init has the container's")
        for name in ("cgroup", "resources")
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


def _checked_process(config: Config, process: Process) -> bool:
    problems = validate_process(config, process)
    if problems:
        raise ConfigError(problems)
    return True
