# SPDX-License-Identifier: Apache-2.0
"""A pair of links: one end in the container, one on the host or on a bridge."""

from __future__ import annotations

import errno
from typing import Any, Final

from libcontainer.config.network import Veth
from libcontainer.errors import NetworkError
from libcontainer.network._netlink import Netlink, link_attributes
from libcontainer.network.base import Context, Record, host_link
from libcontainer.network.bridge import ensure_bridge, refuse_routers, remove_unused
from libcontainer.network.interface import new_link_attributes, settle

_TRIES: Final = 10


class Strategy:
    """See `Veth`."""

    def record(self, network: Veth, container_id: str, number: int) -> Record:
        """Return the names of the host's end, of the bridge and of the table."""
        found: dict[str, Any] = {
            "link": network.host_name
            or host_link(network.prefix, container_id, number),
            "inside": network.name,
            # By it the link is known to be ours, whatever else took its name.
            "alias": host_link("libcontainer-", container_id, number),
        }
        if network.bridge is not None and network.create_bridge:
            found["bridge"] = network.bridge
        limits = (network.egress, network.egress_rate)
        if network.masquerade or network.ports or limits != (None, None):
            found["table"] = host_link("libcontainer-", container_id, number)
        return found

    def connect(self, network: Veth, record: Record, context: Context) -> None:
        """Make the pair, its bridge, its limits and its rules."""
        name, host = record["link"], context.host
        self._make(network, record, context)
        if "table" in record:
            # Before the link is up: nothing gets around the rules.
            from libcontainer.network.firewall import add_table  # noqa: PLC0415

            add_table(record["table"], name, network)
        if network.ingress_rate is not None:
            from libcontainer.network.shaping import limit  # noqa: PLC0415

            limit(host, host.need(name, f"limit {name!r}"), network.ingress_rate)
        if network.bridge is None:
            refuse_routers(name)
        if network.bridge is None and network.bridge_addresses:
            index = host.need(name, f"give {name!r} its addresses")
            with host.batch():
                for address in network.bridge_addresses:
                    host.add_address(index, address)
        host.set_link(f"take {name!r} up", name, up=True)
        settle(context, network)

    def disconnect(self, record: Record, host: Netlink, namespace: int | None) -> None:
        """Remove the pair, the rules, and the bridge if nothing else uses it."""
        host.delete_link(record["link"], alias=record["alias"])
        if "table" in record:
            from libcontainer.network.firewall import remove_table  # noqa: PLC0415

            remove_table(record["table"])
        if "bridge" in record:
            remove_unused(host, record["bridge"])

    def _make(self, network: Veth, record: Record, context: Context) -> None:
        for attempt in range(_TRIES):
            master = self._bridge(network, context.host)
            try:
                self._pair(network, record, master, context)
            except NetworkError as error:
                # Whoever was the last on the bridge may have removed it just now.
                gone = error.errno in {errno.ENODEV, errno.EINVAL}
                if not (gone and network.create_bridge) or attempt == _TRIES - 1:
                    raise
            else:
                return

    def _bridge(self, network: Veth, host: Netlink) -> int | None:
        if network.bridge is None:
            return None
        if network.create_bridge:
            return ensure_bridge(host, network.bridge, network.bridge_addresses)
        return host.need(network.bridge, f"connect to the bridge {network.bridge!r}")

    def _pair(
        self, network: Veth, record: Record, master: int | None, context: Context
    ) -> None:
        host, name = context.host, record["link"]
        wanted = {**new_link_attributes(network), "net_ns_fd": context.namespace}
        peer = {"attrs": link_attributes(wanted)}
        host.add_link(
            f"make the pair of {name!r} and {network.name!r} inside",
            "veth",
            [("VETH_INFO_PEER", peer)],
            ifname=name,
            mtu=network.mtu or None,
            txqlen=network.txqueuelen,
            master=master,
        )
        # Only now is what has this name ours.
        with host.batch():
            host.set_link(f"name {name!r}", name, ifalias=record["alias"])
            if network.hairpin or network.isolated:
                port = [
                    ("IFLA_BRPORT_MODE", int(network.hairpin)),
                    ("IFLA_BRPORT_ISOLATED", int(network.isolated)),
                ]
                host.set_link(f"set up the port {name!r}", name, port=port)
