# SPDX-License-Identifier: Apache-2.0
"""Which namespaces are new, which are joined, in which order, and the id maps."""

from __future__ import annotations

from collections.abc import Callable

from libcontainer.config import Config, IdMapping, NamespaceType
from libcontainer.errors import UnsupportedError
from libcontainer.plan.builder import Builder
from libcontainer.plan.cgroup import (
    CLONE_NEWCGROUP,
    CgroupSlots,
    can_make_meanwhile,
    enter_cgroup,
    enter_cgroup_namespace,
    make_cgroup,
    make_cgroup_meanwhile,
    take_cgroup_fds,
)
from libcontainer.plan.change import MS_PRIVATE, MS_SHARED, MS_SLAVE
from libcontainer.plan.facts import Facts
from libcontainer.plan.hooks import starts_from_template
from libcontainer.plan.kinds import is_joined
from libcontainer.plan.ops import (
    CLONE_NEWNS,
    BecomeRoot,
    Clone,
    Monitor,
    Setns,
    SetPropagation,
    Unshare,
)
from libcontainer.plan.record import NONE
from libcontainer.plan.steps import (
    MapIds,
    OpenNamespace,
    SetClocks,
    Spawn,
    UseTemplate,
    extents,
)

_CLONE_NEWUSER = NamespaceType.USER.clone_flag
# What takes long to make, and can as well be made by the helper.
_SLOW = NamespaceType.NETWORK.clone_flag | NamespaceType.IPC.clone_flag
_CLONE_NEWTIME = NamespaceType.TIME.clone_flag


def plan_namespaces(
    builder: Builder,
    config: Config,
    facts: Facts,
    group: CgroupSlots,
    *,
    begin: Callable[[], None],
    monitor: Monitor | None = None,
) -> None:
    """Add the steps that put the init process into its namespaces.

    Args:
        builder: the plan in the making.
        config: what the container is.
        facts: what the host offers.
        group: the container's cgroup.
        begin: adds what follows the start of the helper: what the caller does
            while it is at work, and what it does first.
        monitor: the operation that puts a monitor above init, if there is one.
    """
    joined = _open_joined(builder, config)
    if monitor is not None or needs_second_clone(config):
        _enter_by_second_clone(
            builder, config, facts, group, joined, begin=begin, monitor=monitor
        )
    else:
        _enter_by_first_clone(builder, config, facts, group, joined, begin=begin)


def needs_second_clone(config: Config) -> bool:
    """Tell whether the helper has to clone init.

    Without a user, a new time or a joined pid namespace the first clone enters
    them all, and the v2 cgroup, and the helper itself becomes init: one process
    less.
    """
    if not config.namespaces.isdisjoint({NamespaceType.USER, NamespaceType.TIME}):
        return True
    return bool(config.namespace_paths) and is_joined(config, NamespaceType.PID)


def require_privilege(config: Config, facts: Facts) -> None:
    """Raise `UnsupportedError` where only a privileged caller may go on."""
    if facts.privileged or NamespaceType.USER in config.namespaces:
        return
    need = "CAP_SYS_ADMIN, or a user namespace: add 'user' to namespaces"
    raise UnsupportedError("new namespaces without a user namespace", need)


def denies_setgroups(config: Config, facts: Facts) -> bool:
    """Tell whether setgroups(2) is denied in the container.

    An unprivileged caller that maps nothing but its own group must deny it
    (user_namespaces(7)), so that nobody can drop a group that restricts them.
    """
    if NamespaceType.USER not in config.namespaces:
        return False
    if facts.joined_user is not None:
        return not facts.joined_user.setgroups
    own = all(m.host_id == facts.egid and m.size == 1 for m in config.gid_mappings)
    return not facts.privileged and own


def keeps_groups(config: Config, facts: Facts) -> bool:
    """Tell whether the supplementary groups stay as the caller has them."""
    return config.keep_groups or denies_setgroups(config, facts)


def gid_mappings(config: Config, facts: Facts) -> tuple[IdMapping, ...]:
    """Return the group ids of the container; none without a user namespace."""
    if facts.joined_user is not None:
        return facts.joined_user.gids
    return config.gid_mappings


def clone_flags(config: Config) -> int:
    """Return the CLONE_NEW* flags of every namespace of *config*."""
    flags = 0
    for kind in config.namespaces:
        flags |= kind.clone_flag
    return flags


def _new_flags(config: Config) -> int:
    flags = clone_flags(config)
    for kind, _ in config.namespace_paths:
        flags &= ~kind.clone_flag
    return flags


Joined = tuple[tuple[NamespaceType, str, int], ...]
"""(kind, host path, slot) of each namespace that is joined."""


def _is_cgroup(item: tuple[NamespaceType, str, int]) -> bool:
    return item[0] is NamespaceType.CGROUP


def _open_joined(builder: Builder, config: Config) -> Joined:
    opened = []
    for kind, path in config.namespace_paths:
        slot = builder.slot(path, given=True)
        builder.host(OpenNamespace(slot, path, kind.clone_flag))
        opened.append((kind, path, slot))
    return tuple(opened)


def _join(builder: Builder, joined: Joined) -> None:
    # The pid namespace last: it counts for children only, and none of its
    # processes can see the helper earlier.
    def is_pid(item: tuple[NamespaceType, str, int]) -> bool:
        return item[0] is NamespaceType.PID

    for kind, path, slot in sorted(joined, key=is_pid):
        builder.init(Setns(slot, kind.clone_flag, repr(path)))


def _enter_by_first_clone(
    builder: Builder,
    config: Config,
    facts: Facts,
    group: CgroupSlots,
    joined: Joined,
    *,
    begin: Callable[[], None],
) -> None:
    flags = _first_flags(config, group)
    template = _take_template(builder, config, facts)
    meanwhile = can_make_meanwhile(group)
    later = flags & _SLOW if meanwhile else 0
    if not meanwhile:
        make_cgroup(builder, group)
    builder.stage("spawn")
    flags_now = flags if template is None else flags & ~CLONE_NEWNS
    builder.host(Spawn(flags_now & ~later, group.unified))
    if meanwhile:
        make_cgroup_meanwhile(builder, group)
    begin()
    builder.stage("namespaces")
    if later:
        builder.init(Unshare(later))
    if meanwhile:
        take_cgroup_fds(builder, group)
    _enter_cgroup(builder, config, group)
    _join(builder, joined)
    if template is not None:
        builder.init(Setns(template, CLONE_NEWNS, "the template"))
        builder.init(Unshare(CLONE_NEWNS))
    elif flags & CLONE_NEWNS:
        builder.init(SetPropagation(_cut_off(config, facts)))


def _enter_by_second_clone(  # noqa: PLR0913 - the two ways differ in nothing else
    builder: Builder,
    config: Config,
    facts: Facts,
    group: CgroupSlots,
    joined: Joined,
    *,
    begin: Callable[[], None],
    monitor: Monitor | None,
) -> None:
    flags = _first_flags(config, group)
    template = _take_template(builder, config, facts)
    make_cgroup(builder, group)
    builder.stage("spawn")
    builder.host(Spawn(0))
    if monitor is not None:
        builder.stage("monitor")
        builder.init(monitor)
    begin()
    builder.stage("namespaces")
    if template is not None:
        # Before the clone: a new user namespace has no right over the template.
        builder.init(Setns(template, CLONE_NEWNS, "the template"))
    # Within a cgroup namespace that is another's nobody gets to a cgroup outside it.
    late = tuple(item for item in joined if group.unified != NONE and _is_cgroup(item))
    _join_around_user(builder, facts, tuple(i for i in joined if i not in late))
    if config.time_offsets:
        flags = _set_clocks(builder, config, facts, flags)
    # As the caller's user still, who alone may put a process into the cgroup.
    builder.init(Clone(flags, group.unified))
    _enter_cgroup(builder, config, group)
    _join(builder, late)
    if template is None and flags & CLONE_NEWNS:
        builder.init(SetPropagation(_cut_off(config, facts)))
    if NamespaceType.USER in config.namespaces:
        builder.stage("maps")
        if flags & _CLONE_NEWUSER:
            builder.host(map_ids(config, facts))
        builder.init(BecomeRoot(keeps_groups(config, facts)))


def _first_flags(config: Config, group: CgroupSlots) -> int:
    """Return the namespaces to be born in: the cgroup's comes after its cgroup."""
    flags = _new_flags(config)
    return flags & ~CLONE_NEWCGROUP if group else flags


def _enter_cgroup(builder: Builder, config: Config, group: CgroupSlots) -> None:
    if group:
        enter_cgroup(builder, group)
    if group and not is_joined(config, NamespaceType.CGROUP):
        enter_cgroup_namespace(builder, config)


def _join_around_user(builder: Builder, facts: Facts, joined: Joined) -> None:
    """Join what a privileged caller may, then the user namespace, then the rest.

    The user namespace may have no right over the others (a network that the
    host's root has set up). Whoever is not privileged has no rights but its.
    """
    user = tuple(item for item in joined if item[0] is NamespaceType.USER)
    others = tuple(item for item in joined if item[0] is not NamespaceType.USER)
    for group in (others, user) if facts.privileged else (user, others):
        _join(builder, group)


def _set_clocks(builder: Builder, config: Config, facts: Facts, flags: int) -> int:
    """Add the steps of a time namespace with offsets; return the flags left.

    The offsets are fixed once a process is in the namespace, which a child is
    from its first moment on. So the helper itself makes the namespace, stays
    outside, and waits. A new user namespace must own it, so it comes along.
    """
    first = flags & (_CLONE_NEWTIME | _CLONE_NEWUSER)
    builder.init(Unshare(first))
    builder.stage("maps")
    if first & _CLONE_NEWUSER:
        builder.host(map_ids(config, facts))
    builder.host(
        SetClocks(
            tuple((clock, o.seconds, o.nanoseconds) for clock, o in config.time_offsets)
        )
    )
    return flags & ~first


def begins_in_template(config: Config, facts: Facts) -> bool:
    """Tell whether the first root of the launch is the template's."""
    wanted = starts_from_template(config, facts)
    return wanted and not is_joined(config, NamespaceType.MOUNT)


def _take_template(builder: Builder, config: Config, facts: Facts) -> int | None:
    if not begins_in_template(config, facts):
        return None
    template = builder.slot("template", given=True)
    builder.stage("sources")
    builder.host(UseTemplate(template))
    return template


def map_ids(config: Config, facts: Facts) -> MapIds:
    """Return the step that writes the id maps of a new user namespace."""
    return MapIds(
        extents(config.uid_mappings),
        extents(config.gid_mappings),
        denies_setgroups(config, facts),
    )


def _cut_off(config: Config, facts: Facts) -> int:
    """Return how the host's mounts stop to see ours.

    A privileged caller has cloned its sources before, so nothing here is used. Any
    other clones them here: what is to take mounts from the host must stay a slave.
    """
    words = [mount.propagation for mount in (*config.base_mounts, *config.mounts)]
    takes = {MS_SLAVE, MS_SHARED}
    wanted = any(word.flag in takes for word in (*words, config.rootfs_propagation))
    return MS_SLAVE if wanted and not facts.privileged else MS_PRIVATE
