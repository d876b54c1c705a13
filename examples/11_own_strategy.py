# SPDX-License-Identifier: Apache-2.0
"""A network strategy of one's own: a pair of links, no bridge.

A package would name it in its pyproject.toml::

    [project.entry-points."libcontainer.network"]
    cable = "my_package:Cable"
"""

import libcontainer as lc
from libcontainer.network import (
    STRATEGIES,
    Context,
    Netlink,
    Record,
    link_attributes,
)


class Cable:
    """A pair of links whose other end stays on the host, for ``tcpdump``."""

    def record(
        self, network: lc.CustomNetwork, container_id: str, number: int
    ) -> Record:
        """Say what will be left on the host; nothing is made."""
        return {"link": f"cable{number}"}

    def connect(
        self, network: lc.CustomNetwork, record: Record, context: Context
    ) -> None:
        """Make the pair: one end inside, from its first moment on."""
        inside = link_attributes({"ifname": "tap", "net_ns_fd": context.namespace})
        peer = [("VETH_INFO_PEER", {"attrs": inside})]
        context.host.add_link("lay the cable", "veth", peer, ifname=record["link"])

    def disconnect(self, record: Record, host: Netlink, namespace: int | None) -> None:
        """Remove it; that it is gone already is no error."""
        host.delete_link(record["link"])


# Instead of the entry point, for an example of one file.
STRATEGIES["cable"] = f"{__name__}:Cable"

config = lc.Config(networks=[lc.CustomNetwork(strategy="cable")])
with lc.Factory() as factory, factory.create("demo-cable", config) as container:
    container.run(lc.Process(["ls", "/sys/class/net"])).wait()
