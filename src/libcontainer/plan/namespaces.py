# SPDX-License-Identifier: Apache-2.0
"""Which clone enters which namespaces, and how ids are mapped."""

from __future__ import annotations

from collections.abc import Callable

from libcontainer.config import Config, IdMapping, NamespaceType
from libcontainer.errors import UnsupportedError
from libcontainer.plan.builder import Builder
from libcontainer.plan.facts import Facts
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
    *,
    record: RecordState | None,
    begin: Callable[[], None],
) -> None:
    """Add the steps that put the init process into its namespaces.

    Args:
        builder: the plan in the making.
        config: what the container is.
        facts: what the host offers.
        record: how to save the state as soon as init is known, while it is at
            work; None if that is done later.
        begin: adds what the helper does first.
    """
    if needs_second_clone(config):
        _enter_by_second_clone(builder, config, facts, begin)
    else:
        _enter_by_first_clone(builder, config, facts, record, begin)
    if NamespaceType.USER in config.namespaces:
        _map_ids(builder, config, facts)


def needs_second_clone(config: Config) -> bool:
    """Tell whether the helper has to clone init.

    Without a user or time namespace the first clone enters them all and the
    helper itself becomes init: one process less.
    """
    return not config.namespaces.isdisjoint({NamespaceType.USER, NamespaceType.TIME})


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
    record: RecordState | None,
    begin: Callable[[], None],
) -> None:
    flags = clone_flags(config)
    template = _take_template(builder) if facts.template else None
    builder.stage("spawn")
    builder.host(Spawn(flags if template is None else flags & ~CLONE_NEWNS))
    if record is not None:
        builder.host(record)
    begin()
    builder.stage("namespaces")
    if template is None:
        builder.init(SetPropagation(MS_PRIVATE))
    else:
        builder.init(Setns(template, CLONE_NEWNS, "the template"))
        builder.init(Unshare(CLONE_NEWNS))


def _enter_by_second_clone(
    builder: Builder, config: Config, facts: Facts, begin: Callable[[], None]
) -> None:
    template = _take_template(builder) if facts.template else None
    builder.stage("spawn")
    builder.host(Spawn(0))
    begin()
    builder.stage("namespaces")
    if template is not None:
        # Before the clone: a new user namespace has no right over the template.
        builder.init(Setns(template, CLONE_NEWNS, "the template"))
    builder.init(Clone(clone_flags(config)))
    if template is None:
        builder.init(SetPropagation(MS_PRIVATE))


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
