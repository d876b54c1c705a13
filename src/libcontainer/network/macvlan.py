# SPDX-License-Identifier: Apache-2.0
"""A link with a hardware address of its own, on a link of the host."""

from __future__ import annotations

from typing import Final

from libcontainer.config.network import Macvlan
from libcontainer.network.base import Context, LeavesNothing, Record
from libcontainer.network.child import add_child
from libcontainer.network.interface import settle

_MODES: Final = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}


class Strategy(LeavesNothing):
    """See `Macvlan`."""

    def connect(self, network: Macvlan, record: Record, context: Context) -> None:
        """Make the link, in the container from its first moment on."""
        data = [("IFLA_MACVLAN_MODE", _MODES[network.mode])]
        add_child(context, network, network.parent, "macvlan", data)
        settle(context, network)
