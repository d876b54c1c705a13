# SPDX-License-Identifier: Apache-2.0
"""Sets up a link that is in the container already: the same for every kind."""

from __future__ import annotations

from typing import Any

from libcontainer.config.network import Interface
from libcontainer.errors import NetworkError
from libcontainer.network._netlink import Netlink
from libcontainer.network.base import Context


def new_link_attributes(link: Interface) -> dict[str, Any]:
    """Return attributes that a link can have from its first moment on."""
    return {
        "ifname": link.name,
        "mtu": link.mtu or None,
        "address": link.mac,
        "txqlen": link.txqueuelen,
    }


def settle(context: Context, link: Interface, name: str | None = None) -> None:
    """Give a link inside its addresses and neighbours, and take it up.

    Args:
        context: what to act with.
        link: what is wanted.
        name: how it is called inside now, *link.name* if None.

    Raises:
        NetworkError: the kernel refused it.
    """
    inside = context.inside
    called = name or link.name
    index = inside.need(called, f"set up {called!r} in the container")
    _parameters(context, link, called)
    with inside.batch():
        for address in link.addresses:
            inside.add_address(index, address)
        inside.set_link(f"take {called!r} up", index, up=True)
        for neighbour in link.neighbours:
            inside.add_neighbour(index, neighbour.address, neighbour.mac)
        for gateway in link.gateways:
            _default_route(inside, index, gateway)


def _default_route(inside: Netlink, index: int, gateway: str) -> None:
    what = f"add the default route via {gateway}"
    inside.add_route(what, destination=None, gateway=gateway, index=index)


def _parameters(context: Context, link: Interface, name: str) -> None:
    if not link.sysctl:
        return
    # /proc/PID/net is the only view of another namespace, and has no sysctl: they
    # are written by a thread of the program that ends at once.
    from libcontainer.network.inside import write_parameters  # noqa: PLC0415 - rare

    values = {}
    for key, value in link.sysctl:
        family, _, rest = key.partition(".")
        values[f"net/{family}/conf/{name}/{rest}"] = value
    try:
        write_parameters(context.namespace, values)
    except OSError as error:
        title = f"set the kernel parameters of {name!r}"
        raise NetworkError(error.errno or 0, title, hint=str(error)) from error
