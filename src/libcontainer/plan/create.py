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
from libcontainer.plan.facts import Facts
from libcontainer.plan.hooks import HookPlanner, before_program
from libcontainer.plan.identity import (
    exec_fds,
    plan_exec,
    plan_identity,
    plan_session,
    syscall_filter,
    take_fds,
)
from libcontainer.plan.mounts import MountPlanner
from libcontainer.plan.namespaces import (
    denies_setgroups,
    is_joined,
    is_new,
    keeps_groups,
    needs_second_clone,
    plan_namespaces,
    require_privilege,
    shares_pids,
)
from libcontainer.plan.rootfs import RootfsPlanner
from libcontainer.plan.security import open_procfs, require_labels
from libcontainer.plan.settings import Settings
from libcontainer.plan.sources import Sources
from libcontainer.plan.steps import Listen, Plan, RecordState

if TYPE_CHECKING:
    from libcontainer.security.seccomp.compiler import Filter as SyscallFilter

STDERR = 2


def compile_create(
    config: Config, settings: Settings, facts: Facts, *, gate: bool
) -> Plan:
    """Return the plan that makes a container and its init process.

    Args:
        config: a valid configuration (`libcontainer.validate`).
        settings: what the init process gets.
        facts: what the host offers.
        gate: whether init waits for ``start`` before it becomes the program.

    Raises:
        UnsupportedError: the host does not offer what *config* needs.
    """
    require_privilege(config, facts)
    require_labels(config, settings, facts)
    keep_groups = _check_groups(config, settings, facts)
    filters = syscall_filter(config, settings, facts)
    builder = Builder()
    take_fds(builder, settings)
    rootfs = RootfsPlanner(builder, config, facts)
    mounts = MountPlanner(builder, config, facts)
    hooks = HookPlanner(builder, config)
    own_mounts = not is_joined(config, NamespaceType.MOUNT)

    builder.stage("sources")
    open_procfs(builder, settings)
    sources = Sources(builder, facts)
    if own_mounts:
        rootfs.open_sources(sources)
        mounts.open_sources(sources)
    hooks.open_files()
    gate_slot = _listen(builder) if gate else None
    group = take_cgroup(builder, facts)

    # What runs at once needs no word from us before its program: the state is
    # saved while the helper works, and the helper's last barrier is open by the
    # time it comes there. What waits at the gate is recorded when it is ready.
    # So is one whose record names its mount namespace, which it has to be in.
    early = (
        gate_slot is None
        and not needs_second_clone(config, facts)
        and not before_program(config.hooks)
        and not shares_pids(config)
    )
    status = RecordState("running" if gate_slot is None else "created")
    plan_namespaces(builder, config, facts, group, record=status if early else None)

    if own_mounts:
        _plan_mounts(builder, sources, rootfs, mounts, throttled=facts.throttled)
    hooks.before_pivot()
    builder.stage("rootfs")
    if own_mounts:
        builder.init(ops.Pivot())
    builder.init(ops.Chdir(settings.cwd))
    if own_mounts:
        rootfs.finish()

    builder.stage("machine")
    _plan_machine(builder, config)
    plan_session(builder, settings, dev=mounts.dev)
    plan_identity(builder, settings, facts, keep_groups=keep_groups, filters=filters)
    builder.stage("commit")
    builder.init(ops.FindProgram(settings.args[0], settings.candidates))
    if early:
        builder.init(ops.Barrier(early=True))
    else:
        builder.host(status)
    _plan_program(builder, settings, gate_slot, hooks, filters)
    return builder.build()


def _plan_mounts(
    builder: Builder,
    sources: Sources,
    rootfs: RootfsPlanner,
    mounts: MountPlanner,
    *,
    throttled: tuple[str, ...],
) -> None:
    builder.stage("mounts")
    sources.clone_pending()
    rootfs.attach()
    mounts.attach_all()
    builder.stage("masks")
    mounts.mask(throttled)


def _listen(builder: Builder) -> int:
    slot = builder.slot("gate", given=True)
    builder.host(Listen(slot))
    return slot


def _plan_machine(builder: Builder, config: Config) -> None:
    if config.hostname is not None:
        _set_name(builder, "hostname", config.hostname)
    if config.domainname is not None:
        _set_name(builder, "domainname", config.domainname)
    if config.loopback and is_new(config, NamespaceType.NETWORK):
        builder.init(ops.Loopback())


def _set_name(builder: Builder, what: str, name: str) -> None:
    value = os.fsencode(name)
    args = (value, len(value)) if value else ()
    builder.init(ops.Call(f"set{what}", args, f"set {what} {name!r}"))


def _plan_program(
    builder: Builder,
    settings: Settings,
    gate_slot: int | None,
    hooks: HookPlanner,
    filters: SyscallFilter | None,
) -> None:
    builder.stage("program")
    if gate_slot is not None:
        builder.init(ops.Gate(gate_slot))
    fds = exec_fds(builder, settings)
    stderr = next(slot for slot, number in fds if number == STDERR)
    hooks.before_exec(stderr, gate=gate_slot is not None)
    plan_exec(builder, settings, fds, filters)


def _check_groups(config: Config, settings: Settings, facts: Facts) -> bool:
    asked = settings.identity.groups and not config.keep_groups
    if asked and denies_setgroups(config, facts):
        need = "a gid range from /etc/subgid in gid_mappings, or a privileged caller"
        raise UnsupportedError("supplementary groups", need)
    return keeps_groups(config, facts)
