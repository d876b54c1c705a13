# SPDX-License-Identifier: Apache-2.0
"""Which clone enters which namespaces, and how ids are mapped."""

from __future__ import annotations

from libcontainer.config import Config, IdMapping, NamespaceType
from libcontainer.errors import UnsupportedError
from libcontainer.plan.builder import Builder
from libcontainer.plan.cgroup import (
    CLONE_NEWCGROUP,
    UNIFIED,
    CgroupSlots,
    enter_cgroup,
    enter_cgroup_namespace,
    make_cgroup,
)
from libcontainer.plan.facts import Facts
from libcontainer.plan.hooks import before_pivot
from libcontainer.plan.ops import (
    CLONE_NEWNS,
    BecomeRoot,
    Clone,
    Setns,
    SetPropagation,
    Unshare,
)
from libcontainer.plan.steps import MapIds, RecordState, Spawn, UseTemplate

MS_PRIVATE = 1 << 18


def plan_namespaces(
    builder: Builder,
    config: Config,
    facts: Facts,
    group: CgroupSlots,
    *,
    record: RecordState | None,
) -> None:
    """Add the steps that put the init process into its namespaces.

    Args:
        builder: the plan in the making.
        config: what the container is.
        facts: what the host offers.
        group: the container's cgroup.
        record: how to save the state as soon as init is known, while it is at
            work; None if that is done later.
    """
    if needs_second_clone(config, facts):
        _enter_by_second_clone(builder, config, facts, group)
    else:
        _enter_by_first_clone(builder, config, facts, group, record)
    if NamespaceType.USER in config.namespaces:
        _map_ids(builder, config, facts)


def needs_second_clone(config: Config, facts: Facts) -> bool:
    """Tell whether the helper has to clone init.

    Without a user or time namespace and a v2 cgroup the first clone enters them
    all and the helper itself becomes init: one process less.
    """
    return UNIFIED in facts.cgroups or not config.namespaces.isdisjoint(
        {NamespaceType.USER, NamespaceType.TIME}
    )


def require_privilege(config: Config, facts: Facts) -> None:
    """Raise `UnsupportedError` where only a privileged caller may go on."""
    if facts.privileged or NamespaceType.USER in config.namespaces:
        return
    need = (
        "CAP_SYS_ADMIN, or a user namespace: add 'user' to namespaces and map"
        f" container id 0 to your own, IdMapping(0, {facts.euid}, 1)"
    )
    raise UnsupportedError("new namespaces without a user namespace", need)


def keeps_groups(config: Config, facts: Facts) -> bool:
    """Tell whether setgroups(2) is denied in the container.

    An unprivileged caller that maps nothing but its own group must deny it
    (user_namespaces(7)), so that nobody can drop a group that restricts them.
    """
    own = all(m.host_id == facts.egid and m.size == 1 for m in config.gid_mappings)
    return NamespaceType.USER in config.namespaces and not facts.privileged and own


def clone_flags(config: Config) -> int:
    """Return the CLONE_NEW* flags of every namespace of *config*."""
    flags = 0
    for kind in config.namespaces:
        flags |= kind.clone_flag
    return flags


def _enter_by_first_clone(
    builder: Builder,
    config: Config,
    facts: Facts,
    group: CgroupSlots,
    record: RecordState | None,
) -> None:
    flags = _first_flags(config, group)
    template = _take_template(builder) if _uses_template(config, facts) else None
    make_cgroup(builder, group)
    builder.stage("spawn")
    builder.host(Spawn(flags if template is None else flags & ~CLONE_NEWNS))
    if record is not None:
        builder.host(record)
    builder.stage("namespaces")
    _enter_cgroup(builder, config, group)
    if template is None:
        builder.init(SetPropagation(MS_PRIVATE))
    else:
        builder.init(Setns(template, CLONE_NEWNS, "the template"))
        builder.init(Unshare(CLONE_NEWNS))


def _enter_by_second_clone(
    builder: Builder, config: Config, facts: Facts, group: CgroupSlots
) -> None:
    template = _take_template(builder) if _uses_template(config, facts) else None
    make_cgroup(builder, group)
    builder.stage("spawn")
    builder.host(Spawn(0))
    builder.stage("namespaces")
    if template is not None:
        # Before the clone: a new user namespace has no right over the template.
        builder.init(Setns(template, CLONE_NEWNS, "the template"))
    builder.init(Clone(_first_flags(config, group), group.unified))
    _enter_cgroup(builder, config, group)
    if template is None:
        builder.init(SetPropagation(MS_PRIVATE))


def _first_flags(config: Config, group: CgroupSlots) -> int:
    """Return the namespaces to be born in: the cgroup's comes after its cgroup."""
    flags = clone_flags(config)
    return flags & ~CLONE_NEWCGROUP if group else flags


def _enter_cgroup(builder: Builder, config: Config, group: CgroupSlots) -> None:
    if group:
        enter_cgroup(builder, group)
        enter_cgroup_namespace(builder, config)


def _uses_template(config: Config, facts: Facts) -> bool:
    # Hooks before the pivot look for the host's files.
    return facts.template and not before_pivot(config.hooks)


def _take_template(builder: Builder) -> int:
    template = builder.slot("template", given=True)
    builder.stage("sources")
    builder.host(UseTemplate(template))
    return template


def _map_ids(builder: Builder, config: Config, facts: Facts) -> None:
    keep_groups = keeps_groups(config, facts)
    builder.stage("maps")
    builder.host(
        MapIds(
            _extents(config.uid_mappings), _extents(config.gid_mappings), keep_groups
        )
    )
    builder.init(BecomeRoot(keep_groups))


def _extents(mappings: tuple[IdMapping, ...]) -> tuple[tuple[int, int, int], ...]:
    return tuple((m.container_id, m.host_id, m.size) for m in mappings)
