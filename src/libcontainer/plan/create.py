# SPDX-License-Identifier: Apache-2.0
"""Config to plan: the first process of a container."""

from __future__ import annotations

import os

from attrs import evolve

from libcontainer.config import Config, NamespaceType
from libcontainer.errors import UnsupportedError
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.facts import Facts
from libcontainer.plan.identity import (
    exec_fds,
    plan_exec,
    plan_identity,
    plan_session,
    take_fds,
)
from libcontainer.plan.mounts import MountPlanner
from libcontainer.plan.namespaces import (
    keeps_groups,
    needs_second_clone,
    plan_namespaces,
    require_privilege,
)
from libcontainer.plan.notify import NOTIFY_ENTRY, bind_notify
from libcontainer.plan.record import NONE
from libcontainer.plan.resources import ResourcePlanner, plan_sysctl
from libcontainer.plan.rootfs import RootfsPlanner
from libcontainer.plan.settings import Settings
from libcontainer.plan.sources import Sources
from libcontainer.plan.steps import (
    Listen,
    OpenNotify,
    OpenStatus,
    Plan,
    RecordState,
    SendPidfd,
)


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
    keep_groups = _check_groups(config, settings, facts)
    builder = Builder()
    take_fds(builder, settings)
    rootfs = RootfsPlanner(builder, config, facts)
    mounts = MountPlanner(builder, config)
    resources = ResourcePlanner(builder, settings, facts)

    builder.stage("sources")
    sources = Sources(builder, facts)
    rootfs.open_sources(sources)
    mounts.open_sources(sources)
    resources.open_sources()
    gate_slot = _listen(builder) if gate else None
    status_slot = _open_status(builder) if config.init else None
    notify_slot = _open_notify(builder, config.notify_socket)

    # What runs at once needs no word from us before its program: the state is
    # saved while the helper works, and the helper's last barrier is open by the
    # time it comes there. What waits at the gate is recorded when it is ready.
    early = gate_slot is None and not needs_second_clone(config)
    status = RecordState("running" if gate_slot is None else "created")
    plan_namespaces(
        builder,
        config,
        facts,
        record=status if early else None,
        begin=lambda: resources.inherited(new_core=config.core_scheduling),
    )

    builder.stage("mounts")
    sources.clone_pending()
    rootfs.attach()
    mounts.attach_all()
    plan_sysctl(builder, config)
    builder.stage("masks")
    mounts.mask()
    builder.stage("rootfs")
    builder.init(ops.Pivot())
    builder.init(ops.Chdir(settings.cwd))
    rootfs.finish()

    builder.stage("machine")
    _plan_machine(builder, config)
    if notify_slot is not None:
        builder.init(bind_notify(notify_slot))
    plan_session(builder, settings, dev=mounts.dev, own=not config.init)
    builder.stage("identity")
    resources.own(share_core=False)
    plan_identity(builder, settings, keep_groups=keep_groups)
    builder.stage("commit")
    builder.init(ops.FindProgram(settings.args[0], settings.candidates))
    resources.parent_death_signal()
    if not early:
        builder.host(status)
    if settings.sends_pidfd:
        builder.host(SendPidfd())
    elif early:
        builder.init(ops.Barrier(early=True))
    if notify_slot is not None:
        settings = evolve(settings, env=(NOTIFY_ENTRY, *settings.env))
    _plan_program(builder, settings, gate_slot, status_slot)
    return builder.build()


def _listen(builder: Builder) -> int:
    slot = builder.slot("gate", given=True)
    builder.host(Listen(slot))
    return slot


def _plan_machine(builder: Builder, config: Config) -> None:
    if config.hostname is not None:
        _set_name(builder, "hostname", config.hostname)
    if config.domainname is not None:
        _set_name(builder, "domainname", config.domainname)
    if config.loopback and NamespaceType.NETWORK in config.namespaces:
        builder.init(ops.Loopback())


def _set_name(builder: Builder, what: str, name: str) -> None:
    value = os.fsencode(name)
    args = (value, len(value)) if value else ()
    builder.init(ops.Call(f"set{what}", args, f"set {what} {name!r}"))


def _open_notify(builder: Builder, address: str | None) -> int | None:
    if address is None:
        return None
    slot = builder.slot("notify", given=True)
    builder.host(OpenNotify(slot, address))
    return slot


def _open_status(builder: Builder) -> int:
    slot = builder.slot("status", given=True)
    builder.host(OpenStatus(slot))
    return slot


def _plan_program(
    builder: Builder,
    settings: Settings,
    gate_slot: int | None,
    status_slot: int | None,
) -> None:
    builder.stage("program")
    if gate_slot is not None:
        builder.init(ops.Gate(gate_slot))
    if status_slot is not None:
        terminal = builder.slot_of("terminal") if settings.terminal else NONE
        builder.init(ops.Init(status_slot, terminal))
    plan_exec(builder, settings, exec_fds(builder, settings))


def _check_groups(config: Config, settings: Settings, facts: Facts) -> bool:
    keep_groups = keeps_groups(config, facts)
    if keep_groups and settings.identity.groups:
        need = "a gid range from /etc/subgid in gid_mappings, or a privileged caller"
        raise UnsupportedError("supplementary groups", need)
    return keep_groups
