# SPDX-License-Identifier: Apache-2.0
"""A link that leads nowhere."""

from __future__ import annotations

from libcontainer.config.network import Dummy
from libcontainer.network._netlink import Netlink
from libcontainer.network.base import Context, Record
from libcontainer.network.interface import new_link_attributes, settle


class Strategy:
    """See `Dummy`."""

    def record(self, network: Dummy, container_id: str, number: int) -> Record:
        """Return the name inside: the link is nowhere else."""
        return {"inside": network.name}

    def connect(self, network: Dummy, record: Record, context: Context) -> None:
        """Make the link inside; no right on the host is needed."""
        what = f"make the dummy {network.name!r} inside"
        context.inside.add_link(what, "dummy", **new_link_attributes(network))
        settle(context, network)

    def disconnect(self, record: Record, host: Netlink, namespace: int | None) -> None:
        """Do nothing: it goes with the namespace."""
