# SPDX-License-Identifier: Apache-2.0
"""Networks of containers: one file a strategy, one line to register it.

`STRATEGIES` names ours; any other is looked up among the entry points
``libcontainer.network`` (docs/how/network-strategy.md).
"""

from __future__ import annotations

from importlib import import_module
from typing import Final, cast

from libcontainer.errors import UnsupportedError
from libcontainer.network._netlink import Netlink, link_attributes
from libcontainer.network.base import (
    Companion,
    Context,
    LeavesNothing,
    NetworkStrategy,
    Record,
)

__all__ = [
    "STRATEGIES",
    "Companion",
    "Context",
    "LeavesNothing",
    "Netlink",
    "NetworkStrategy",
    "Record",
    "link_attributes",
    "strategy_of",
]

STRATEGIES: Final = {
    "veth": "libcontainer.network.veth:Strategy",
    "macvlan": "libcontainer.network.macvlan:Strategy",
    "ipvlan": "libcontainer.network.ipvlan:Strategy",
    "vlan": "libcontainer.network.vlan:Strategy",
    "dummy": "libcontainer.network.dummy:Strategy",
    "netdevice": "libcontainer.network.netdevice:Strategy",
    "cni": "libcontainer.network.cni:Strategy",
    "pasta": "libcontainer.network.pasta:Strategy",
    "proxy": "libcontainer.network.proxy:Strategy",
    "slirp4netns": "libcontainer.network.slirp4netns:Strategy",
}
"""Where each strategy is; it is imported when it is used."""

GROUP: Final = "libcontainer.network"
"""The group of entry points of third parties."""


def strategy_of(name: str) -> NetworkStrategy:
    """Return the strategy of a name.

    Raises:
        UnsupportedError: there is none.
    """
    if name in STRATEGIES:
        module, _, kind = STRATEGIES[name].partition(":")
        return cast("NetworkStrategy", getattr(import_module(module), kind)())
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow, and rare

    for found in entry_points(group=GROUP, name=name):
        return cast("NetworkStrategy", found.load()())
    need = f"a package with the entry point {name!r} in the group {GROUP!r}"
    raise UnsupportedError(f"the network strategy {name!r}", need)
