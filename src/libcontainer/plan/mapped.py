# SPDX-License-Identifier: Apache-2.0
"""The plan of a program of the host in a user namespace of its own, and no other."""

from __future__ import annotations

from libcontainer.config import Config
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.facts import Facts
from libcontainer.plan.identity import (
    exec_fds,
    plan_exec,
    plan_handover,
    take_fds,
)
from libcontainer.plan.mapping import CLONE_NEWUSER
from libcontainer.plan.namespaces import keeps_groups, map_ids
from libcontainer.plan.settings import Settings
from libcontainer.plan.steps import Plan, Spawn


def compile_mapped(config: Config, settings: Settings, facts: Facts) -> Plan:
    """Return the plan that runs a program as root of a new user namespace.

    Everything else is the caller's: what it makes belongs to ids that the maps give it.

    Args:
        config: of this the id maps.
        settings: of these the arguments, the environment and the descriptors.
        facts: what the host offers.
    """
    builder = Builder()
    take_fds(builder, settings)
    builder.stage("spawn")
    builder.host(Spawn(0))
    builder.stage("namespaces")
    builder.init(ops.Unshare(CLONE_NEWUSER))
    builder.stage("maps")
    builder.host(map_ids(config, facts))
    builder.init(ops.BecomeRoot(keeps_groups(config, facts)))
    builder.stage("terminal")
    builder.init(ops.Call("setsid", (), "start a new session"))
    builder.stage("program")
    builder.init(ops.FindProgram(settings.args[0], settings.candidates))
    plan_handover(builder, settings, barrier=True)
    plan_exec(builder, settings, exec_fds(builder, settings))
    return builder.build()
