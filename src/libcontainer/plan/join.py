# SPDX-License-Identifier: Apache-2.0
"""Config to plan: a further process of a running container.

The same helper, the same protocol and the same operations as for init; only
the way into the namespaces differs.
"""

from __future__ import annotations

import posixpath

from libcontainer.config import Config, NamespaceType
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.cgroup import (
    CLONE_NEWCGROUP,
    CgroupSlots,
    enter_cgroup,
    open_cgroup_meanwhile,
    take_cgroup,
    take_cgroup_fds,
)
from libcontainer.plan.facts import Facts
from libcontainer.plan.identity import (
    exec_fds,
    plan_exec,
    plan_handover,
    plan_identity,
    plan_session,
    syscall_filter,
    take_fds,
)
from libcontainer.plan.mapping import CLONE_NEWUSER
from libcontainer.plan.namespaces import clone_flags, keeps_groups
from libcontainer.plan.rdt import join_rdt
from libcontainer.plan.record import NONE
from libcontainer.plan.resources import ResourcePlanner
from libcontainer.plan.security import require_labels, take_procfs
from libcontainer.plan.settings import Settings
from libcontainer.plan.steps import OpenFifo, Plan, Spawn

CLONE_NEWPID = 0x20000000


def compile_join(config: Config, settings: Settings, facts: Facts) -> Plan:
    """Return the plan that runs a further process in a running container.

    Args:
        config: the container's configuration.
        settings: what the process gets.
        facts: what the host offers.

    Raises:
        UnsupportedError: the host does not offer what *settings* need.
    """
    require_labels(config, settings, facts)
    builder = Builder()
    init = builder.slot("init", given=True)
    take_fds(builder, settings)
    group = take_cgroup(builder, facts)
    resources = ResourcePlanner(builder, settings, facts)
    builder.stage("sources")
    resources.open_sources()
    fifo = _open_fifo(builder, settings)
    builder.stage("spawn")
    builder.host(Spawn(0))
    open_cgroup_meanwhile(builder, group)
    resources.inherited(new_core=False)
    keep_groups = keeps_groups(config, facts)
    filters = syscall_filter(config, settings, facts)
    late = _late_kinds(config, facts, group)
    builder.stage("namespaces")
    take_procfs(builder)
    _enter(builder, config, init, group, late=late, keep_groups=keep_groups)
    join_rdt(builder, config)
    builder.stage("rootfs")
    builder.init(ops.Chdir(settings.cwd))
    plan_session(builder, settings)
    builder.stage("identity")
    resources.own(share_core=config.core_scheduling)
    plan_identity(builder, settings, facts, keep_groups=keep_groups, filters=filters)
    builder.stage("program")
    builder.init(ops.FindProgram(settings.args[0], settings.candidates))
    resources.parent_death_signal()
    plan_handover(builder, settings, barrier=True)
    if fifo is not None:
        builder.init(ops.LetGo())
        builder.init(fifo)
    plan_exec(builder, settings, exec_fds(builder, settings), filters)
    return builder.build()


def _open_fifo(builder: Builder, settings: Settings) -> ops.WaitFifo | None:
    path = settings.wait_fifo
    if path is None:
        return None
    # Its folder: a fifo can only be opened by a name, and inside it has no other.
    folder = builder.slot("the fifo's folder", given=True)
    builder.host(OpenFifo(folder, path))
    return ops.WaitFifo(folder, posixpath.basename(path), path)


def _enter(
    builder: Builder,
    config: Config,
    init: int,
    group: CgroupSlots,
    *,
    late: int,
    keep_groups: bool,
) -> None:
    builder.stage("namespaces")
    flags = clone_flags(config)
    has_user = NamespaceType.USER in config.namespaces
    others = flags & ~CLONE_NEWPID & ~late
    builder.init(ops.Setns(init, others, "init"))
    if has_user and not late & CLONE_NEWUSER:
        builder.init(ops.BecomeRoot(keep_groups))
    if flags & CLONE_NEWPID:
        # Last, so that no process of the container can see the helper earlier.
        builder.init(ops.Setns(init, CLONE_NEWPID, "init"))
    take_cgroup_fds(builder, group)
    builder.init(ops.Clone(0, group.unified))
    enter_cgroup(builder, group)
    if late:
        builder.init(ops.Setns(init, late, "init"))
    if has_user and late & CLONE_NEWUSER:
        builder.init(ops.BecomeRoot(keep_groups))


def _late_kinds(config: Config, facts: Facts, group: CgroupSlots) -> int:
    """Return the namespaces that are joined by the child, once it is in its cgroup.

    From inside its cgroup namespace the kernel lets nobody go from one cgroup outside
    to another (nsdelegate, cgroups(7)). And the root of a user namespace may not
    write to a cgroup that belongs to the host's.
    """
    if group.unified == NONE and not group.by_unit:
        return 0
    late = CLONE_NEWCGROUP | (CLONE_NEWUSER if facts.privileged else 0)
    return clone_flags(config) & late
