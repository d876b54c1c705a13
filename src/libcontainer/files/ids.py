# SPDX-License-Identifier: Apache-2.0
"""Ids of a container, and what they are for the caller."""

from __future__ import annotations

from attrs import frozen

from libcontainer.config import Config, IdMapping, NamespaceType

OVERFLOW_ID = 65534
"""What an id is shown as that a user namespace does not have (proc(5))."""


@frozen
class Ids:
    """Translates ids by the maps of a container's user namespace.

    Attributes:
        uids: of users; empty if the container has the caller's own ids.
        gids: of groups.
    """

    uids: tuple[IdMapping, ...] = ()
    gids: tuple[IdMapping, ...] = ()

    @staticmethod
    def of(config: Config) -> Ids:
        """Return those of a container whose user namespace was made for it."""
        if NamespaceType.USER not in config.namespaces:
            return Ids()
        return Ids(config.uid_mappings, config.gid_mappings)

    def on_host(self, owner: tuple[int, int]) -> tuple[int, int]:
        """Return what a user and a group of the container are for the caller.

        Raises:
            ValueError: the container has no such id.
        """
        return _there(self.uids, owner[0], "user"), _there(self.gids, owner[1], "group")

    def inside(self, uid: int, gid: int) -> tuple[int, int]:
        """Return what ids of the caller are in the container."""
        return _back(self.uids, uid), _back(self.gids, gid)


def _there(maps: tuple[IdMapping, ...], number: int, kind: str) -> int:
    if not maps and 0 <= number < 2**32 - 1:
        return number
    for mapping in maps:
        if 0 <= number - mapping.container_id < mapping.size:
            return mapping.host_id + number - mapping.container_id
    message = f"the container has no {kind} {number}"
    raise ValueError(message)


def _back(maps: tuple[IdMapping, ...], number: int) -> int:
    if not maps:
        return number
    for mapping in maps:
        if 0 <= number - mapping.host_id < mapping.size:
            return mapping.container_id + number - mapping.host_id
    return OVERFLOW_ID
