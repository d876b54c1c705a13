# SPDX-License-Identifier: Apache-2.0
"""User namespaces that exist for the id maps of a mount only."""

from __future__ import annotations

from attrs import frozen

from libcontainer.config import IdMapping
from libcontainer.config.ranges import on_the_host
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.steps import Extents, MapIds, Plan, Spawn, extents

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


def mount_extents(
    mappings: tuple[IdMapping, ...], own: tuple[IdMapping, ...]
) -> Extents:
    """Return one map of an id-mapped mount, all of it in ids of the host.

    Args:
        mappings: of the mount; none: the container's.
        own: those of the container's user namespace.

    Raises:
        ConfigError: a relative range names an id that the container does not have.
    """
    if not mappings:
        return extents(own)
    found: list[IdMapping] = []
    for mapping in mappings:
        found += on_the_host(mapping, own) if mapping.relative else [mapping]
    return extents(tuple(found))
