# SPDX-License-Identifier: Apache-2.0
"""Changes a running container by launches of their own; loaded when one happens."""

from __future__ import annotations

import os

from attrs import evolve

from libcontainer.cgroups.group import Group
from libcontainer.cgroups.limits import update_limits
from libcontainer.cgroups.writes import Write
from libcontainer.config import Config, Device, Mount, NamespaceType, Resources
from libcontainer.errors import ConfigError
from libcontainer.handle import ProcessHandle
from libcontainer.host.actions import JoinActions, MapActions
from libcontainer.host.probe import read_facts
from libcontainer.host.processref import ProcessRef
from libcontainer.launches.engine import Engine, Running
from libcontainer.launches.planner import with_maps_of
from libcontainer.plan import Identity, Settings, merge
from libcontainer.plan.compiled import Compiled
from libcontainer.plan.steps import INIT_SLOT
from libcontainer.process import Process
from libcontainer.validate import validate_device, validate_live_mount


def update(group: Group, resources: Resources) -> tuple[Write, ...]:
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
    engine: Engine,
    config: Config,
    process: Process,
    init: ProcessRef,
    kinds: frozenset[NamespaceType],
) -> ProcessHandle:
    """Launch a program of the host in namespaces *kinds* of a container.

    Raises:
        LibcontainerError: nothing is left behind.
    """
    from libcontainer.plan.enter import compile_enter  # noqa: PLC0415

    engine.planner.check_process(config, process)
    home = dict(process.env or ()).get("HOME", "/")
    settings = _of_the_caller(config, process, home)
    facts = with_maps_of(init, config, read_facts(template=False))
    own = kinds & config.namespaces
    return engine.start(
        Running(
            Compiled(compile_enter(config, settings, facts, own)),
            settings,
            process,
            JoinActions(process.pidfd_socket),
            given={INIT_SLOT: init.pidfd},
        )
    )


def run_mapped(engine: Engine, config: Config, process: Process) -> ProcessHandle:
    """Launch a program of the host as root of a user namespace of its own.

    Raises:
        LibcontainerError: nothing is left behind.
    """
    from libcontainer.plan.mapped import compile_mapped  # noqa: PLC0415 - rare

    engine.planner.check_process(config, process)
    settings = _of_the_caller(config, process, "/")
    plan = compile_mapped(config, settings, read_facts(template=False))
    return engine.start(Running(Compiled(plan), settings, process, MapActions()))


def _of_the_caller(config: Config, process: Process, home: str) -> Settings:
    caller = Identity(uid=os.geteuid(), gid=os.getegid(), groups=(), home=home)
    # It stays the caller's user, whose streams these are.
    return evolve(merge(config, process, caller), host_uid=None)


def mknod(engine: Engine, config: Config, device: Device, init: ProcessRef) -> None:
    """Make a node in the /dev of the container of *init*.

    Raises:
        LibcontainerError: nothing is left behind.
    """
    from libcontainer.host.inside import open_inside  # noqa: PLC0415 - rare
    from libcontainer.plan.enter import DEV_SLOT, compile_mknod  # noqa: PLC0415

    problems = validate_device(device)
    if problems:
        raise ConfigError(problems)
    plan = compile_mknod(config, device, read_facts(template=False))
    with open_inside(init, "dev") as dev:
        engine.run_apart(plan, {INIT_SLOT: init.pidfd, DEV_SLOT: dev})


def mount(engine: Engine, config: Config, mount: Mount, init: ProcessRef) -> None:
    """Add a mount to the container of *init*.

    Raises:
        LibcontainerError: the container is as before.
    """
    from libcontainer.plan.live import compile_mount  # noqa: PLC0415

    problems = validate_live_mount(config, mount)
    if problems:
        raise ConfigError(problems)
    facts = read_facts(template=False)
    engine.run_apart(compile_mount(config, mount, facts), {INIT_SLOT: init.pidfd})


def unmount(
    engine: Engine, config: Config, path: str, target: int, init: ProcessRef
) -> None:
    """Take the mount *target*, an fd, from the container of *init*.

    Raises:
        LibcontainerError: the container is as before.
    """
    from libcontainer.plan.live import TARGET_SLOT, compile_unmount  # noqa: PLC0415

    plan = compile_unmount(config, path, read_facts(template=False))
    engine.run_apart(plan, {INIT_SLOT: init.pidfd, TARGET_SLOT: target})
