# SPDX-License-Identifier: Apache-2.0
"""Bridges of the host that are made on request, and removed with their last port."""

from __future__ import annotations

import errno
import os
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
        refuse_routers(name)
    for address in addresses:
        try:
            host.add_address(index, address)
        except NetworkError as error:
            # Another container has been here at the same time.
            if error.errno != errno.EEXIST:
                raise
    host.set_link(f"take the bridge {name!r} up", index, up=True)
    return index


def refuse_routers(name: str) -> None:
    """Let the host not believe who says by a link that it is a router.

    Else a container that may send raw packets would become the host's way out in
    IPv6 (CVE-2020-10749). Where there is no IPv6 there is nothing to do.

    Raises:
        NetworkError: the parameter cannot be written.
    """
    path = f"/proc/sys/net/ipv6/conf/{name}/accept_ra"
    try:
        # It is of the network namespace of the thread that looks.
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, b"0")
        finally:
            os.close(fd)
    except FileNotFoundError:
        return
    except OSError as error:
        raise NetworkError(error.errno or 0, f"write {path}") from error


def remove_unused(host: Netlink, name: str) -> None:
    """Remove a bridge that `ensure_bridge` has made and that has no port left."""
    found = host.link(name)
    if found is None or found["attrs"].get("IFLA_IFALIAS") != ALIAS:
        return
    ports = (link["attrs"].get("IFLA_MASTER") for link in host.links())
    if found["index"] not in ports:
        host.delete_link(name)
