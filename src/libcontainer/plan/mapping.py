# SPDX-License-Identifier: Apache-2.0
"""The plan of a user namespace that exists for its id maps only."""

from __future__ import annotations

from attrs import frozen

from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.steps import Extents, MapIds, Plan, Spawn

CLONE_NEWUSER = 0x10000000


@frozen
class KeepUserNamespace:
    """Open the user namespace of the process that is being launched."""

    @property
    def title(self) -> str:
        """What the step does."""
        return "keep the user namespace"


def compile_mapping(uid_map: Extents, gid_map: Extents) -> Plan:
    """Return the plan of a process in a new user namespace that does nothing."""
    builder = Builder()
    builder.stage("spawn")
    builder.host(Spawn(CLONE_NEWUSER))
    builder.stage("maps")
    builder.init(ops.Umask(0))
    builder.host(MapIds(uid_map, gid_map, False))
    builder.stage("commit")
    builder.host(KeepUserNamespace())
    return builder.build()
