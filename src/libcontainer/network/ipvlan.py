# SPDX-License-Identifier: Apache-2.0
"""A link with the hardware address of a link of the host."""

from __future__ import annotations

from typing import Final

from libcontainer.config.network import Ipvlan
from libcontainer.network._netlink import Netlink
from libcontainer.network.base import Context, Record
from libcontainer.network.child import add_child
from libcontainer.network.interface import settle

_MODES: Final = {"l2": 0, "l3": 1, "l3s": 2}


class Strategy:
    """See `Ipvlan`."""

    def record(self, network: Ipvlan, container_id: str, number: int) -> Record:
        """Return the name inside: the link is nowhere else."""
        return {"inside": network.name}

    def connect(self, network: Ipvlan, record: Record, context: Context) -> None:
        """Make the link, in the container from its first moment on."""
        data = [("IFLA_IPVLAN_MODE", _MODES[network.mode])]
        add_child(context, network, network.parent, "ipvlan", data)
        settle(context, network)

    def disconnect(self, record: Record, host: Netlink, namespace: int | None) -> None:
        """Do nothing: it goes with the namespace."""
