# SPDX-License-Identifier: Apache-2.0
"""Plans that enter some namespaces of a running container, and not its root.

They do what somebody on the host has to do inside: run a program of the host
there, or make a node.
"""

from __future__ import annotations

from collections.abc import Iterable

from libcontainer.config import Config, Device, NamespaceType
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.devices import mknod, node_name
from libcontainer.plan.facts import Facts
from libcontainer.plan.identity import (
    exec_fds,
    plan_exec,
    plan_handover,
    take_fds,
)
from libcontainer.plan.namespaces import keeps_groups
from libcontainer.plan.settings import Settings
from libcontainer.plan.steps import OpenTree, Plan, Spawn

DEV_SLOT = 2
"""The slot of the container's /dev, in every plan of a node."""


def compile_enter(
    config: Config, settings: Settings, facts: Facts, kinds: Iterable[NamespaceType]
) -> Plan:
    """Return the plan that runs a program of the host in some namespaces.

    It is the caller's but for these: its root, its user and its privileges.

    Args:
        config: the container's configuration.
        settings: of these the arguments, the environment and the descriptors.
        facts: what the host offers.
        kinds: which namespaces; none of mounts.
    """
    builder = Builder()
    init = builder.slot("init", given=True)
    take_fds(builder, settings)
    builder.stage("spawn")
    builder.host(Spawn(0))
    _enter(builder, config, facts, init, frozenset(kinds))
    builder.stage("terminal")
    builder.init(ops.Call("setsid", (), "start a new session"))
    builder.stage("program")
    builder.init(ops.FindProgram(settings.args[0], settings.candidates))
    plan_handover(builder, settings, barrier=True)
    plan_exec(builder, settings, exec_fds(builder, settings))
    return builder.build()


def compile_mknod(config: Config, device: Device, facts: Facts) -> Plan:
    """Return the plan that makes a node in a running container.

    Args:
        config: the container's configuration.
        device: the node.
        facts: what the host offers.
    """
    builder = Builder()
    init = builder.slot("init", given=True)
    dev = builder.slot("/dev", given=True)
    in_user_namespace = NamespaceType.USER in config.namespaces
    source = -1
    if in_user_namespace and device.type != "p":
        # There mknod(2) is refused; a node of the host's can be bound.
        builder.stage("sources")
        source = builder.slot(device.path, given=True)
        number = (device.major, device.minor)
        builder.host(OpenTree(source, device.path, device=number))
    builder.stage("spawn")
    builder.host(Spawn(0))
    both = (NamespaceType.MOUNT, NamespaceType.USER)
    # Otherwise the fd of /dev is all it takes.
    kinds = frozenset(both if in_user_namespace else ())
    _enter(builder, config, facts, init, kinds)
    builder.stage("mounts")
    if source < 0:
        builder.init(mknod(builder, dev, device))
    else:
        what = f"the host's {device.path!r}"
        name = node_name(device)
        flags, mode = ops.MAKE_FILE, 0o666
        builder.init(ops.Attach(source, name, what, dev, flags, mode, "/dev"))
    builder.init(ops.Barrier())
    return builder.build()


def _enter(
    builder: Builder,
    config: Config,
    facts: Facts,
    init: int,
    kinds: frozenset[NamespaceType],
) -> None:
    builder.stage("namespaces")
    others = sum(kind.clone_flag for kind in kinds if kind is not NamespaceType.PID)
    if others:
        builder.init(ops.Setns(init, others, "init"))
    if NamespaceType.USER in kinds:
        builder.init(ops.BecomeRoot(keeps_groups(config, facts)))
    if NamespaceType.PID in kinds:
        builder.init(ops.Setns(init, NamespaceType.PID.clone_flag, "init"))
        builder.init(ops.Clone(0))
