# SPDX-License-Identifier: Apache-2.0
"""One VLAN (802.1Q) of a link of the host."""

from __future__ import annotations

from libcontainer.config.network import Vlan
from libcontainer.network._netlink import Netlink
from libcontainer.network.base import Context, Record
from libcontainer.network.child import add_child
from libcontainer.network.interface import settle


class Strategy:
    """See `Vlan`."""

    def record(self, network: Vlan, container_id: str, number: int) -> Record:
        """Return the name inside: the link is nowhere else."""
        return {"inside": network.name}

    def connect(self, network: Vlan, record: Record, context: Context) -> None:
        """Make the link, in the container from its first moment on."""
        data = [("IFLA_VLAN_ID", network.id)]
        add_child(context, network, network.parent, "vlan", data)
        settle(context, network)

    def disconnect(self, record: Record, host: Netlink, namespace: int | None) -> None:
        """Do nothing: it goes with the namespace."""
