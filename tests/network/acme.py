# SPDX-License-Identifier: Apache-2.0
"""A strategy as a third party would write it: a bridge with a name of its own."""

from __future__ import annotations

from typing import Any

from libcontainer.config.network import CustomNetwork
from libcontainer.network import Context, Record


class Strategy:
    """Makes a bridge on the host, and no link inside."""

    def record(self, network: CustomNetwork, container_id: str, number: int) -> Record:
        """Return the name of the bridge."""
        return {"link": dict(network.options)["link"]}

    def connect(self, network: CustomNetwork, record: Record, context: Context) -> None:
        """Make the bridge."""
        context.host.add_link("make acme's bridge", "bridge", ifname=record["link"])

    def disconnect(self, record: Record, host: Any, namespace: int | None) -> None:
        """Remove the bridge."""
        host.delete_link(record["link"])
