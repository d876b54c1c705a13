# SPDX-License-Identifier: Apache-2.0
"""Mounts that are added to and taken from a running container."""

from __future__ import annotations

from libcontainer.config import Config, Mount, NamespaceType
from libcontainer.errors import UnsupportedError
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.change import bind_changes, own_attributes
from libcontainer.plan.facts import Facts
from libcontainer.plan.filesystems import fs_options, is_host_made
from libcontainer.plan.join import CLONE_NEWPID
from libcontainer.plan.mapping import CLONE_NEWUSER
from libcontainer.plan.namespaces import clone_flags, keeps_groups
from libcontainer.plan.sources import Sources
from libcontainer.plan.steps import Plan, Spawn

TARGET_SLOT = 2
"""The slot of what is unmounted, in every plan of `compile_unmount`."""

_MNT_DETACH = 2


def compile_mount(config: Config, mount: Mount, facts: Facts) -> Plan:
    """Return the plan that adds a mount to a running container.

    Args:
        config: the container's configuration.
        mount: a valid mount (`libcontainer.validate.validate_live_mount`).
        facts: what the host offers.

    Raises:
        UnsupportedError: the caller cannot clone what it has mounted itself.
    """
    is_bind = mount.type == "bind"
    if is_bind and not facts.privileged:
        need = "a caller with CAP_SYS_ADMIN: no host path is visible in the container"
        raise UnsupportedError("a bind into a running container", need)
    builder = Builder()
    init = builder.slot("init", given=True)
    builder.stage("sources")
    sources = Sources(builder, config, facts)
    slot = -1
    if is_bind:
        changes = bind_changes(mount, sources.user_namespace(mount.idmap))
        nofollow = "src-nofollow" in mount.extras
        slot = sources.tree(
            mount.source or "", changes, recursive=mount.recursive, nofollow=nofollow
        )
    elif mount.type == "overlay" or is_host_made(mount):
        options = fs_options(config, facts, mount)
        slot = sources.filesystem(mount.type, options, own_attributes(mount))
    _enter(builder, config, facts, init)
    builder.stage("mounts")
    if slot < 0:
        slot = builder.slot(mount.destination)
        options, attributes = fs_options(config, facts, mount), own_attributes(mount)
        builder.init(
            ops.MakeFs(slot, mount.type, options, attributes, mount.destination)
        )
    flags = ops.MAKE_LIKE_SOURCE if is_bind else ops.MAKE_DIRECTORY
    if "dest-nofollow" in mount.extras:
        flags |= ops.NO_FOLLOW
    what = repr(mount.source) if is_bind else f"the {mount.type} filesystem"
    builder.init(ops.Attach(slot, mount.destination, what, flags=flags))
    return _end(builder)


def compile_unmount(config: Config, path: str, facts: Facts) -> Plan:
    """Return the plan that takes a mount from a running container.

    The mount itself is opened from outside and given: no name is looked up where
    the container could change what it leads to.
    """
    builder = Builder()
    init = builder.slot("init", given=True)
    target = builder.slot(path, given=True)
    builder.stage("spawn")
    builder.host(Spawn(0))
    builder.stage("namespaces")
    # As who may: root of a user namespace cannot enter every directory of the host.
    with_user = NamespaceType.USER in config.namespaces and not facts.privileged
    flags = ops.CLONE_NEWNS | (CLONE_NEWUSER if with_user else 0)
    builder.init(ops.Setns(init, flags, "init"))
    if with_user:
        builder.init(ops.BecomeRoot(keeps_groups(config, facts)))
    builder.stage("mounts")
    builder.init(ops.Call("fchdir", (ops.SlotRef(target),), f"enter {path!r}"))
    builder.init(
        ops.Call("umount2", (b".\0", _MNT_DETACH), f"unmount {path!r} (detach)")
    )
    return _end(builder)


def _enter(builder: Builder, config: Config, facts: Facts, init: int) -> None:
    builder.stage("spawn")
    builder.host(Spawn(0))
    builder.stage("namespaces")
    # Not the pid namespace: no process of the container sees the helper.
    builder.init(ops.Setns(init, clone_flags(config) & ~CLONE_NEWPID, "init"))
    if NamespaceType.USER in config.namespaces:
        builder.init(ops.BecomeRoot(keeps_groups(config, facts)))
    builder.init(ops.Umask(0))


def _end(builder: Builder) -> Plan:
    builder.stage("commit")
    builder.init(ops.Barrier())
    return builder.build()
