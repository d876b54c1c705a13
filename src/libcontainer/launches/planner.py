# SPDX-License-Identifier: Apache-2.0
"""From what is wanted to compiled plans: checks, facts, and what is remembered."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from attrs import evolve, frozen

from libcontainer.cgroups.group import Group
from libcontainer.cgroups.limits import limits
from libcontainer.cgroups.writes import Write
from libcontainer.config import Config, config_to_json
from libcontainer.errors import ConfigError, wrong_type
from libcontainer.host.check import check_host
from libcontainer.host.probe import read_facts
from libcontainer.host.processref import ProcessRef
from libcontainer.host.rootfiles import Seen
from libcontainer.host.users import identity_in_container, identity_in_rootfs
from libcontainer.launches.start import Start
from libcontainer.memo import Memo
from libcontainer.plan import Facts, Identity, Settings, compile_create, merge
from libcontainer.plan.compiled import Compiled
from libcontainer.plan.hostroot import is_host_root
from libcontainer.process import Process
from libcontainer.validate import validate, validate_process

Planned = tuple[Compiled, Settings]


class Planner:
    """Checks and plans. What does not change is computed once.

    Args:
        image: returns the fd of the helper's image, which some facts need.
    """

    def __init__(self, image: Callable[[], int]) -> None:
        self._image = image
        self._seen = Seen()
        self._texts: Memo[Config, bytes] = Memo()
        self._needs: Memo[Config, _Needs] = Memo()
        self._limits: Memo[tuple[object, ...], tuple[Write, ...]] = Memo()
        self._plans: Memo[tuple[object, ...], Compiled] = Memo()
        self._settings: Memo[tuple[object, ...], Settings] = Memo()
        self._valid: Memo[tuple[object, ...], bool] = Memo()

    def check(self, config: Config) -> bytes:
        """Return a configuration's JSON text if nothing is wrong with it.

        Raises:
            ConfigError: with every problem.
            TypeError: it is no configuration.
        """
        if not isinstance(config, Config):
            raise wrong_type("config", Config, config)
        text = self._texts.get(config, _checked_text)
        problems = check_host(config)
        if problems:
            raise ConfigError(problems)
        return text

    def check_process(self, config: Config, process: Process) -> None:
        """Raise what is wrong with a process.

        Raises:
            ConfigError: with every problem.
            TypeError: it is no process.
        """
        if not isinstance(process, Process):
            raise wrong_type("process", Process, process)
        streams = process.stdin, process.stdout, process.stderr
        keeps = process.notify is not None or process.console_socket is not None
        if keeps or not _are_plain(*streams):
            # Nothing is kept alive by the memory of it.
            _checked_process(config, process)
            return
        self._valid.get(
            (config, process, streams), lambda _: _checked_process(config, process)
        )

    def limits(self, config: Config, paths: Mapping[str, str]) -> tuple[Write, ...]:
        """Return what is written into a new cgroup of *config* at *paths*.

        Raises:
            UnsupportedError: a limit that this version of cgroups does not have.
        """
        return self._limits.get((config, *paths), lambda _: limits(config, paths))

    def plan_create(
        self,
        config: Config,
        process: Process,
        start: Start,
        group: Group,
        *,
        template: bool,
    ) -> Planned:
        """Return the plan of a container's first process.

        Args:
            config: a checked configuration.
            process: what init becomes.
            start: how it is started.
            group: its cgroup.
            template: whether a template mount namespace is kept.
        """
        identity = identity_in_rootfs(config, process, self._seen)
        settings = self._merge(config, process, identity)
        facts = self._facts(config, settings, group, template=template)
        gate, detached = start.gate, None
        if start.detach:
            # Loaded here, as is all of the monitor: most containers have none.
            from libcontainer.plan.monitor import Detached  # noqa: PLC0415

            captures = not settings.terminal and _leaves_output(process)
            detached = Detached(start.log, captures)

        def compile_it(_: object) -> Compiled:
            _make_filter_ready(config, settings, facts)
            return Compiled(
                compile_create(config, settings, facts, gate=gate, detached=detached)
            )

        key = (config, settings, facts, gate, detached)
        return self._plans.get(key, compile_it), settings

    def plan_join(
        self, config: Config, process: Process, init: ProcessRef, group: Group | None
    ) -> Planned:
        """Return the plan of a further process.

        Args:
            config: the container's configuration.
            process: what is to run.
            init: its init process.
            group: the cgroup that it enters, or None.
        """
        identity = identity_in_container(config, process, init.host_pid, self._seen)
        settings = self._merge(config, process, identity)
        names = () if group is None else tuple(group.paths)
        facts = read_facts(
            template=False, config=config, settings=settings, cgroups=names
        )
        if group is not None and group.unit is not None:
            facts = _with_unit(facts, group)
        facts = with_maps_of(init, config, facts)
        # Loaded here, as all that only some launches need.
        from libcontainer.plan.join import compile_join  # noqa: PLC0415

        def compile_it(_: object) -> Compiled:
            _make_filter_ready(config, settings, facts)
            return Compiled(compile_join(config, settings, facts))

        return self._plans.get((config, settings, facts), compile_it), settings

    def _merge(self, config: Config, process: Process, identity: Identity) -> Settings:
        return self._settings.get(
            (config, process, identity),
            lambda _: merge(config, process, identity),
        )

    def _facts(
        self, config: Config, settings: Settings, group: Group, *, template: bool
    ) -> Facts:
        facts = read_facts(
            template=template,
            config=config,
            settings=settings,
            cgroups=tuple(group.paths),
        )
        needs = self._needs.get(config, _needs_of)
        if needs.host_root and not facts.privileged:
            from libcontainer.host.hostroot import read_host_root  # noqa: PLC0415

            facts = evolve(facts, host_root=read_host_root())
        if needs.revealing:
            from libcontainer.host.revealing import read_revealing  # noqa: PLC0415

            facts = evolve(facts, revealing=read_revealing())
        if needs.links:
            from libcontainer.host.copylink import read_links  # noqa: PLC0415 - rare

            facts = evolve(facts, links=read_links(config))
        if needs.hierarchies:
            facts = evolve(facts, hierarchies=_hierarchies())
        if needs.joined_user is not None:
            from libcontainer.host.namespaces import maps_of_namespace  # noqa: PLC0415

            maps = maps_of_namespace(needs.joined_user, self._image())
            facts = evolve(facts, joined_user=maps)
        return facts if group.unit is None else _with_unit(facts, group)


@frozen
class _Needs:
    """What of the host a configuration makes a difference of.

    Attributes:
        host_root: what the caller's own root is made of.
        revealing: where proc and sysfs are mounted.
        links: where links lead that are copied.
        hierarchies: which cgroup hierarchies are mounted.
        joined_user: the user namespace at this path, or None.
    """

    host_root: bool
    revealing: bool
    links: bool
    hierarchies: bool
    joined_user: str | None


def _needs_of(config: Config) -> _Needs:
    mounts = (*config.base_mounts, *config.mounts)
    return _Needs(
        host_root=is_host_root(config),
        revealing=config.no_pivot_root,
        links=any("copy-symlink" in mount.extras for mount in config.mounts),
        hierarchies=any(mount.type == "cgroup" for mount in mounts),
        joined_user=joined_user_path(config),
    )


def _make_filter_ready(config: Config, settings: Settings, facts: Facts) -> None:
    if config.seccomp is None:
        return
    # Loaded here: without a filter there is nothing to keep.
    from libcontainer.host.filters import make_ready  # noqa: PLC0415
    from libcontainer.plan.identity import filter_target  # noqa: PLC0415

    make_ready(config.seccomp, filter_target(settings, facts))


def joined_user_path(config: Config) -> str | None:
    """Return the path of the user namespace that a container joins, or None."""
    paths = (path for kind, path in config.namespace_paths if kind == "user")
    return next(paths, None)


def with_maps_of(init: ProcessRef, config: Config, facts: Facts) -> Facts:
    """Return facts with the id maps of a container that has joined its own."""
    if joined_user_path(config) is None:
        return facts
    from libcontainer.host.namespaces import maps_of_process  # noqa: PLC0415 - rare

    return evolve(facts, joined_user=maps_of_process(init.host_pid, init.pidfd))


def _with_unit(facts: Facts, group: Group) -> Facts:
    return evolve(facts, enters_by_unit=not group.is_reachable())


def _hierarchies() -> tuple[str, ...]:
    """Return the names of the cgroup hierarchies that the host has mounted."""
    from libcontainer.cgroups.hierarchy import read_hierarchies  # noqa: PLC0415 - rare

    found = read_hierarchies()
    unified = () if found.unified is None else (found.unified.name,)
    return (*(hierarchy.name for hierarchy in found.v1), *unified)


def _are_plain(*streams: object) -> bool:
    return all(stream is None or type(stream) is int for stream in streams)


def _leaves_output(process: Process) -> bool:
    """Tell whether an output is left to the monitor."""
    return process.stdout is None or process.stderr is None


def _checked_text(config: Config) -> bytes:
    problems = validate(config)
    if problems:
        raise ConfigError(problems)
    return json.dumps(config_to_json(config)).encode()


def _checked_process(config: Config, process: Process) -> bool:
    problems = validate_process(config, process)
    if problems:
        raise ConfigError(problems)
    return True
