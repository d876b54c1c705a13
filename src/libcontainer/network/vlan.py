# SPDX-License-Identifier: Apache-2.0
"""One VLAN (802.1Q) of a link of the host."""

from __future__ import annotations

from libcontainer.config.network import Vlan
from libcontainer.network.base import Context, LeavesNothing, Record
from libcontainer.network.child import add_child
from libcontainer.network.interface import settle


class Strategy(LeavesNothing):
    """See `Vlan`."""

    def connect(self, network: Vlan, record: Record, context: Context) -> None:
        """Make the link, in the container from its first moment on."""
        data = [("IFLA_VLAN_ID", network.id)]
        add_child(context, network, network.parent, "vlan", data)
        settle(context, network)
