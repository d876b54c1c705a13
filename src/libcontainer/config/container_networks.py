# SPDX-License-Identifier: Apache-2.0
"""Reads links and ``routes`` of a 1.2.0 ``container.json``.

What an address is, is told by `libcontainer.validate`, with all the rest.
"""

from __future__ import annotations

from typing import Final

from libcontainer.config.container_reader import Reader
from libcontainer.config.network import Route, Veth

_MAX_PREFIX: Final = 7


def read_veth(network: Reader, name: str) -> Veth:
    """Return a network of type ``veth``.

    Args:
        network: the object.
        name: of the link inside. 1.2.0 kept only the last of several.
    """
    required = {}
    for key in ("bridge", "veth_prefix", "address"):
        required[key] = network.text(key)
        if not required[key]:
            network.refuse(key, "is required")
    if len(required["veth_prefix"].encode()) > _MAX_PREFIX:
        network.refuse("veth_prefix", f"is longer than {_MAX_PREFIX} bytes")
    return Veth(
        name=name,
        bridge=required["bridge"],
        prefix=required["veth_prefix"],
        addresses=required["address"],
        gateways=network.text("gateway") or (),
        # 1.2.0 sent 0 to the kernel, which refused it.
        mtu=network.integer("mtu") or None,
    )


def read_routes(reader: Reader) -> tuple[Route, ...]:
    """Return the routes."""
    return tuple(_route(route) for route in reader.children("routes"))


def _route(route: Reader) -> Route:
    # The source had the length of a prefix, of which nothing came to the kernel.
    source = route.text("source").partition("/")[0]
    return Route(
        destination=route.text("destination") or None,
        gateway=route.text("gateway") or None,
        source=source or None,
        interface=route.text("interface_name") or None,
    )
