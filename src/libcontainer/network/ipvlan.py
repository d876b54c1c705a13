# SPDX-License-Identifier: Apache-2.0
"""A link with the hardware address of a link of the host."""

from __future__ import annotations

from typing import Final

from libcontainer.config.network import Ipvlan
from libcontainer.network.base import Context, LeavesNothing, Record
from libcontainer.network.child import add_child
from libcontainer.network.interface import settle

_MODES: Final = {"l2": 0, "l3": 1, "l3s": 2}


class Strategy(LeavesNothing):
    """See `Ipvlan`."""

    def connect(self, network: Ipvlan, record: Record, context: Context) -> None:
        """Make the link, in the container from its first moment on."""
        data = [("IFLA_IPVLAN_MODE", _MODES[network.mode])]
        add_child(context, network, network.parent, "ipvlan", data)
        settle(context, network)
