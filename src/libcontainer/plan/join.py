# SPDX-License-Identifier: Apache-2.0
"""Config to plan: a further process of a running container.

The same helper, the same protocol and the same operations as for init; only
the way into the namespaces differs.
"""

from __future__ import annotations

from libcontainer.config import Config, NamespaceType
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
from libcontainer.plan.namespaces import clone_flags, keeps_groups
from libcontainer.plan.resources import ResourcePlanner
from libcontainer.plan.settings import Settings
from libcontainer.plan.steps import Plan, SendPidfd, Spawn

CLONE_NEWPID = 0x20000000

INIT_SLOT = 1
"""The slot of init's pidfd, in every plan of a further process."""


def compile_join(config: Config, settings: Settings, facts: Facts) -> Plan:
    """Return the plan that runs a further process in a running container.

    Args:
        config: the container's configuration.
        settings: what the process gets.
        facts: what the host offers.
    """
    builder = Builder()
    init = builder.slot("init", given=True)
    take_fds(builder, settings)
    resources = ResourcePlanner(builder, settings, facts)
    builder.stage("sources")
    resources.open_sources()
    builder.stage("spawn")
    builder.host(Spawn(0))
    resources.inherited(new_core=False)
    keep_groups = keeps_groups(config, facts)
    _enter(builder, config, init, keep_groups=keep_groups)
    builder.stage("rootfs")
    builder.init(ops.Chdir(settings.cwd))
    plan_session(builder, settings)
    builder.stage("identity")
    resources.own(share_core=config.core_scheduling)
    plan_identity(builder, settings, keep_groups=keep_groups)
    builder.stage("program")
    builder.init(ops.FindProgram(settings.args[0], settings.candidates))
    resources.parent_death_signal()
    if settings.sends_pidfd:
        builder.host(SendPidfd())
    else:
        builder.init(ops.Barrier(early=True))
    plan_exec(builder, settings, exec_fds(builder, settings))
    return builder.build()


def _enter(builder: Builder, config: Config, init: int, *, keep_groups: bool) -> None:
    builder.stage("namespaces")
    flags = clone_flags(config)
    others = flags & ~CLONE_NEWPID
    builder.init(ops.Setns(init, others, "init"))
    if NamespaceType.USER in config.namespaces:
        builder.init(ops.BecomeRoot(keep_groups))
    if flags & CLONE_NEWPID:
        # Last, so that no process of the container can see the helper earlier.
        builder.init(ops.Setns(init, CLONE_NEWPID, "init"))
    builder.init(ops.Clone(0))
