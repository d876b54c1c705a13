# SPDX-License-Identifier: Apache-2.0
"""Ranges of ids that are relative to the container's own."""

from __future__ import annotations

from libcontainer.config.namespaces import IdMapping
from libcontainer.errors import ConfigError, Problem


def on_the_host(mapping: IdMapping, own: tuple[IdMapping, ...]) -> list[IdMapping]:
    """Return what a relative range is on the host, in as many ranges as it takes.

    Args:
        mapping: its *host_id* is an id of the container.
        own: the maps of the container's user namespace.

    Raises:
        ConfigError: the container does not have one of these ids.
    """
    found = []
    done = 0
    while done < mapping.size:
        wanted = mapping.host_id + done
        owner = _owner(wanted, own)
        if owner is None:
            message = (
                f"names id {wanted} of the container, which its user namespace"
                " does not have"
            )
            raise ConfigError([Problem("idmap", message)])
        into = wanted - owner.container_id
        size = min(mapping.size - done, owner.size - into)
        found.append(IdMapping(mapping.container_id + done, owner.host_id + into, size))
        done += size
    return found


def _owner(wanted: int, own: tuple[IdMapping, ...]) -> IdMapping | None:
    for mapping in own:
        if mapping.container_id <= wanted < mapping.container_id + mapping.size:
            return mapping
    return None
