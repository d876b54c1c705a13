# SPDX-License-Identifier: Apache-2.0
"""Config to plan: the first process of a container."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from libcontainer.config import Config, NamespaceType
from libcontainer.errors import UnsupportedError
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.cgroup import take_cgroup
from libcontainer.plan.devices import plan_outside
from libcontainer.plan.facts import Facts
from libcontainer.plan.hooks import HookPlanner, before_program
from libcontainer.plan.identity import (
    exec_fds,
    may_filter,
    plan_exec,
    plan_handover,
    plan_identity,
    plan_session,
    syscall_filter,
    take_fds,
)
from libcontainer.plan.init import InitPlanner
from libcontainer.plan.kinds import is_joined, is_new, shares_pids
from libcontainer.plan.masks import MaskPlanner
from libcontainer.plan.mounts import MountPlanner
from libcontainer.plan.namespaces import (
    denies_setgroups,
    keeps_groups,
    needs_second_clone,
    plan_namespaces,
    require_privilege,
)
from libcontainer.plan.network import has_loopback, plan_networks
from libcontainer.plan.notify import NotifyPlanner
from libcontainer.plan.rdt import join_rdt
from libcontainer.plan.resources import ResourcePlanner, plan_sysctl
from libcontainer.plan.rootfs import RootfsPlanner
from libcontainer.plan.security import open_procfs, require_labels
from libcontainer.plan.settings import Settings
from libcontainer.plan.sources import Sources
from libcontainer.plan.steps import Listen, Plan, RecordState

if TYPE_CHECKING:
    from libcontainer.plan.monitor import Detached

STDERR = 2


def compile_create(
    config: Config,
    settings: Settings,
    facts: Facts,
    *,
    gate: bool,
    detached: Detached | None = None,
) -> Plan:
    """Return the plan that makes a container and its init process.

    Args:
        config: a valid configuration (`libcontainer.validate`).
        settings: what the init process gets.
        facts: what the host offers.
        gate: whether init waits for ``start`` before it becomes the program.
        detached: what the container's monitor does; None is without a monitor.

    Raises:
        UnsupportedError: the host does not offer what *config* needs.
    """
    require_privilege(config, facts)
    require_labels(config, settings, facts)
    keep_groups = _check_groups(config, settings, facts)
    builder = Builder()
    take_fds(builder, settings)
    parts = _Parts(builder, config, settings, facts)
    own_mounts = not is_joined(config, NamespaceType.MOUNT)

    builder.stage("sources")
    own_procfs = own_mounts and parts.mounts.makes_procfs
    open_procfs(builder, settings, own=own_procfs)
    sources = Sources(builder, config, facts)
    parts.open(sources, own_mounts=own_mounts)
    gate_slot = _listen(builder) if gate else None
    group = take_cgroup(builder, facts, parts.mounts.cgroup_trees)
    monitor = _plan_monitor(builder, detached)

    early = not gate and monitor is None and _is_recorded_early(config)
    status = RecordState("created" if gate else "running")

    def begin() -> None:
        if early:
            builder.host(status)
        parts.resources.inherited(new_core=config.core_scheduling)

    plan_namespaces(builder, config, facts, group, begin=begin, monitor=monitor)
    join_rdt(builder, config)
    plan_networks(builder, config)
    if own_mounts:
        _plan_mounts(builder, sources, parts.rootfs, parts.mounts)
        plan_outside(builder, config, facts, parts.rootfs)
    plan_sysctl(builder, config)
    if own_mounts:
        builder.stage("masks")
        parts.masks.mask(parts.mounts, facts.throttled)
    parts.hooks.before_pivot(parts.rootfs.slot)
    _enter_root(builder, config, settings, parts.rootfs, pivot=own_mounts)

    _plan_machine(builder, config)
    parts.notify.bind()
    plan_session(builder, settings, dev=parts.mounts.dev, own=not config.init)
    if own_mounts:
        builder.stage("readonly")
        parts.mounts.finish()
    _plan_credentials(builder, settings, facts, parts, keep_groups=keep_groups)
    _be_bare(builder, settings, facts, gate_slot, parts)
    if not early:
        builder.host(status)
    plan_handover(builder, settings, barrier=early)
    if detached is not None:
        _hand_over(builder, detached)
    _plan_program(builder, parts.notify.tell(settings), gate_slot, parts)
    return builder.build()


class _Parts:
    """The planners of one container, each of one topic."""

    def __init__(
        self, builder: Builder, config: Config, settings: Settings, facts: Facts
    ) -> None:
        self.rootfs = RootfsPlanner(builder, config, facts)
        self.mounts = MountPlanner(builder, config, facts)
        self.masks = MaskPlanner(builder, config, facts)
        self.hooks = HookPlanner(builder, config)
        self.resources = ResourcePlanner(builder, settings, facts)
        self.notify = NotifyPlanner(builder, config)
        self.init = InitPlanner(builder, config)
        self.filters = syscall_filter(config, settings, facts)

    def open(self, sources: Sources, *, own_mounts: bool) -> None:
        """Open what the container is made of, while the host can be seen."""
        if own_mounts:
            self.rootfs.open_sources(sources)
            self.mounts.open_sources(sources)
            self.masks.open_sources(sources, self.mounts)
        self.hooks.open_files()
        self.resources.open_sources()
        self.notify.open()
        self.init.open_status()


def _is_recorded_early(config: Config) -> bool:
    # What runs at once needs no word from us before its program: the state is
    # saved while the helper works, and the helper's last barrier is open by the
    # time it comes there. What waits at the gate is recorded when it is ready.
    # So is one whose record names its mount namespace, which it has to be in.
    return (
        not needs_second_clone(config)
        and not before_program(config.hooks)
        and not shares_pids(config)
    )


def _plan_mounts(
    builder: Builder, sources: Sources, rootfs: RootfsPlanner, mounts: MountPlanner
) -> None:
    builder.stage("mounts")
    sources.clone_pending()
    mounts.prepare()
    rootfs.attach()
    mounts.attach_all(rootfs)


def _enter_root(
    builder: Builder,
    config: Config,
    settings: Settings,
    rootfs: RootfsPlanner,
    *,
    pivot: bool,
) -> None:
    builder.stage("rootfs")
    if pivot:
        rootfs.enter()
    # After pivot_root(2) the process is there already.
    if not pivot or config.no_pivot_root or settings.cwd != "/":
        builder.init(ops.Chdir(settings.cwd))
    if pivot:
        rootfs.finish()


def _plan_credentials(
    builder: Builder,
    settings: Settings,
    facts: Facts,
    parts: _Parts,
    *,
    keep_groups: bool,
) -> None:
    builder.stage("identity")
    parts.resources.own(share_core=False)
    plan_identity(
        builder,
        settings,
        facts,
        keep_groups=keep_groups,
        filters=parts.filters,
        procfs=parts.mounts.procfs,
    )
    builder.stage("commit")
    builder.init(ops.FindProgram(settings.args[0], settings.candidates))
    parts.resources.parent_death_signal()


def _listen(builder: Builder) -> int:
    slot = builder.slot("gate", given=True)
    builder.host(Listen(slot))
    return slot


# Loaded there: most containers have no monitor.
def _plan_monitor(builder: Builder, detached: Detached | None) -> ops.Monitor | None:
    if detached is None:
        return None
    from libcontainer.plan.monitor import plan_monitor  # noqa: PLC0415

    return plan_monitor(builder, detached)


def _hand_over(builder: Builder, detached: Detached) -> None:
    from libcontainer.plan.monitor import HandOver  # noqa: PLC0415

    builder.host(HandOver(detached.log))


def _plan_machine(builder: Builder, config: Config) -> None:
    builder.stage("machine")
    if config.hostname is not None:
        _set_name(builder, "hostname", config.hostname)
    if config.domainname is not None:
        _set_name(builder, "domainname", config.domainname)
    if has_loopback(config) and is_new(config, NamespaceType.NETWORK):
        builder.init(ops.Loopback(builder.slot("socket")))


def _set_name(builder: Builder, what: str, name: str) -> None:
    value = os.fsencode(name)
    args = (value, len(value)) if value else ()
    builder.init(ops.Call(f"set{what}", args, f"set {what} {name!r}"))


def _be_bare(
    builder: Builder,
    settings: Settings,
    facts: Facts,
    gate_slot: int | None,
    parts: _Parts,
) -> None:
    """Close what init does not need at its gate, before the caller hears of it."""
    if gate_slot is None:
        return
    builder.init(ops.LetGo())
    is_free = parts.filters is None or may_filter(settings)
    if is_free and not facts.privileged:
        # An ordinary caller could not join it otherwise, and it is as bare as its
        # program will be. A filter that is in force may forbid it.
        from libcontainer.plan.resource_calls import dumpable  # noqa: PLC0415

        builder.init(dumpable(True, "let its user join it"))


def _plan_program(
    builder: Builder, settings: Settings, gate_slot: int | None, parts: _Parts
) -> None:
    builder.stage("program")
    if gate_slot is not None:
        builder.init(ops.Gate(gate_slot))
    fds = exec_fds(builder, settings)
    stderr = next(slot for slot, number in fds if number == STDERR)
    parts.hooks.before_exec(stderr, gate=gate_slot is not None)
    parts.init.stay(settings)
    plan_exec(builder, settings, fds, parts.filters)


def _check_groups(config: Config, settings: Settings, facts: Facts) -> bool:
    asked = settings.identity.groups and not config.keep_groups
    if asked and denies_setgroups(config, facts):
        need = "a gid range from /etc/subgid in gid_mappings, or a privileged caller"
        raise UnsupportedError("supplementary groups", need)
    return keeps_groups(config, facts)
