# SPDX-License-Identifier: Apache-2.0
"""Bridges of the host that are made on request, and removed with their last port."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Final

from libcontainer.errors import NetworkError
from libcontainer.network._netlink import Netlink

ALIAS: Final = "libcontainer"
"""The alias of a bridge that is ours to remove."""


def ensure_bridge(host: Netlink, name: str, addresses: Sequence[str]) -> int:
    """Return the number of a bridge, which is made if it is missing.

    Raises:
        NetworkError: the kernel refused it.
    """
    what = f"make the bridge {name!r}"
    try:
        host.add_link(what, "bridge", ifname=name)
    except NetworkError as error:
        if error.errno != errno.EEXIST:
            raise
        index = host.need(name, what)
    else:
        index = host.need(name, what)
        host.set_link(what, index, ifalias=ALIAS)
    for address in addresses:
        try:
            host.add_address(index, address)
        except NetworkError as error:
            # Another container has been here at the same time.
            if error.errno != errno.EEXIST:
                raise
    host.set_link(f"take the bridge {name!r} up", index, up=True)
    return index


def remove_unused(host: Netlink, name: str) -> None:
    """Remove a bridge that `ensure_bridge` has made and that has no port left."""
    found = host.link(name)
    if found is None or found["attrs"].get("IFLA_IFALIAS") != ALIAS:
        return
    ports = (link["attrs"].get("IFLA_MASTER") for link in host.links())
    if found["index"] not in ports:
        host.delete_link(name)
