# SPDX-License-Identifier: Apache-2.0
"""Networks beyond loopback: steps of the host, once the namespace exists.

The helper opens a netlink socket in the container's network namespace and
sends it along when it comes to the barrier. So no thread of the caller ever
enters a namespace, and nothing of the caller is copied.
"""

from __future__ import annotations

from typing import Any

from attrs import frozen

from libcontainer.config import Config
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder

_AF_INET = 2
_AF_NETLINK = 16
_CLOEXEC = 0o2000000
_SOCK_STREAM, _SOCK_RAW = 1, 3


@frozen
class ConnectNetwork:
    """Connect the container to one of its networks.

    Attributes:
        number: its place in `libcontainer.Config.networks`.
        network: what is wanted.
    """

    number: int
    network: Any

    @property
    def has_socket(self) -> bool:
        """Whether the helper sends a TCP socket of the namespace for it."""
        return bool(getattr(self.network, "has_socket", False))

    @property
    def title(self) -> str:
        words = [f"networks[{self.number}]: connect by {_kind(self.network)}"]
        for name in ("name", "bridge", "parent", "device"):
            value = getattr(self.network, name, None)
            words += [f"{name} {value!r}"] if value else []
        return ", ".join(words)


@frozen
class AddRoute:
    """Add one of the container's routes."""

    number: int
    route: Any

    @property
    def title(self) -> str:
        where = self.route.destination or "everywhere"
        via = f" via {self.route.gateway}" if self.route.gateway else ""
        on = f" on {self.route.interface!r}" if self.route.interface else ""
        return f"routes[{self.number}]: add the route to {where}{via}{on}"


def plan_networks(builder: Builder, config: Config) -> None:
    """Add what connects a new network namespace."""
    networks = [
        (number, network)
        for number, network in enumerate(config.networks)
        if network.kind != "loopback"
    ]
    if not networks and not config.routes:
        return
    builder.stage("network")
    _send_socket(builder, "netlink", _AF_NETLINK, _SOCK_RAW)
    for number, network in networks:
        action = ConnectNetwork(number, network)
        if action.has_socket:
            _send_socket(builder, "TCP", _AF_INET, _SOCK_STREAM)
        builder.host(action)
    for number, route in enumerate(config.routes):
        builder.host(AddRoute(number, route))


def _send_socket(builder: Builder, name: str, family: int, kind: int) -> None:
    slot = builder.slot(f"{name} socket of the container")
    what = f"open a {name} socket in the network namespace"
    builder.init(ops.Call("socket", (family, kind | _CLOEXEC, 0), what, result=slot))
    builder.init(ops.Barrier(sends=slot))


def has_loopback(config: Config) -> bool:
    """Tell whether ``lo`` is to be up."""
    return config.loopback or any(n.kind == "loopback" for n in config.networks)


def _kind(network: Any) -> str:  # noqa: ANN401 - any class of config/network.py
    return str(getattr(network, "strategy", network.kind))
