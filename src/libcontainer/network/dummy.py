# SPDX-License-Identifier: Apache-2.0
"""A link that leads nowhere."""

from __future__ import annotations

from libcontainer.config.network import Dummy
from libcontainer.network.base import Context, LeavesNothing, Record
from libcontainer.network.interface import new_link_attributes, settle


class Strategy(LeavesNothing):
    """See `Dummy`."""

    def connect(self, network: Dummy, record: Record, context: Context) -> None:
        """Make the link inside; no right on the host is needed."""
        what = f"make the dummy {network.name!r} inside"
        context.inside.add_link(what, "dummy", **new_link_attributes(network))
        settle(context, network)
