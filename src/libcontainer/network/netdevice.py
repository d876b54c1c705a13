# SPDX-License-Identifier: Apache-2.0
"""A link of the host that moves in, and back at the end."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import Any

from libcontainer.config.network import NetDevice
from libcontainer.errors import NetworkError
from libcontainer.network._netlink import Netlink
from libcontainer.network.base import Context, Record, host_link
from libcontainer.network.interface import settle


class Strategy:
    """See `NetDevice`."""

    def record(self, network: NetDevice, container_id: str, number: int) -> Record:
        """Return its name on the host, and the alias it is known by inside."""
        alias = host_link("libcontainer-", container_id, number)
        return {"device": network.device, "alias": alias}

    def connect(self, network: NetDevice, record: Record, context: Context) -> None:
        """Move the link, with its global addresses, and take it up."""
        what = f"move {network.device!r} into the container"
        found = context.host.link(network.device)
        if found is None:
            hint = f"there is no link {network.device!r}"
            raise NetworkError(errno.ENODEV, what, hint=hint)
        index = found["index"]
        kept = context.host.addresses(index)
        alias = record["alias"]
        context.host.set_link(what, index, up=False, ifalias=alias)
        # The kernel renames as it moves, and fills in a %d.
        name = network.name or network.device
        context.host.set_link(what, index, net_ns_fd=context.namespace, ifname=name)
        moved = _by_alias(context.inside, alias)
        if moved is None:
            raise NetworkError(errno.ENODEV, what)
        name = moved["attrs"]["IFLA_IFNAME"]
        context.inside.set_link(
            what,
            moved["index"],
            mtu=network.mtu or None,
            address=network.mac,
            txqlen=network.txqueuelen,
        )
        for address in kept:
            if address not in network.addresses:
                context.inside.add_address(moved["index"], address)
        settle(context, network, name)

    def disconnect(self, record: Record, host: Netlink, namespace: int | None) -> None:
        """Move the link back, if its namespace is still there."""
        alias, name = record["alias"], record["device"]
        own = _by_alias(host, alias)
        if own is not None:
            _restore(host, own["index"], name)
        elif namespace is not None:
            _move_back(namespace, alias, name, host)


def _move_back(namespace: int, alias: str, name: str, host: Netlink) -> None:
    from libcontainer.network.inside import netlink_in  # noqa: PLC0415 - rare

    with netlink_in(namespace) as inside:
        found = _by_alias(inside, alias)
        if found is None:
            return
        kept = inside.addresses(found["index"])
        fd = host.namespace()
        try:
            what = f"move {name!r} back to the host"
            inside.set_link(what, found["index"], up=False)
            inside.set_link(what, found["index"], net_ns_fd=fd, ifname=name)
        finally:
            os.close(fd)
    own = _by_alias(host, alias)
    if own is None:
        return
    _restore(host, own["index"], name)
    for address in kept:
        with contextlib.suppress(NetworkError):
            host.add_address(own["index"], address)


def _restore(host: Netlink, index: int, name: str) -> None:
    what = f"give {name!r} back to the host"
    host.set_link(what, index, ifname=name, ifalias="")


def _by_alias(netlink: Netlink, alias: str) -> dict[str, Any] | None:
    found = (x for x in netlink.links() if x["attrs"].get("IFLA_IFALIAS") == alias)
    return next(found, None)
