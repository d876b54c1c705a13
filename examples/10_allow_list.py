# SPDX-License-Identifier: Apache-2.0
"""A container that can reach one network and nothing else, not even the host."""

import libcontainer as lc

network = lc.Veth(
    bridge="lcdemo0",
    create_bridge=True,
    bridge_addresses=["10.98.0.1/24"],
    addresses=["10.98.0.2/24"],
    gateways=["10.98.0.1"],
    masquerade=True,
    egress=["192.0.2.0/24"],
)
TRY = """
import socket
server = socket.socket()
server.settimeout(0.5)
try:
    server.connect(("10.98.0.1", 1))
except TimeoutError:
    print("the host cannot be reached")
except ConnectionRefusedError:
    print("the host has answered")
"""

with (
    lc.Factory() as factory,
    factory.create("demo-listed", lc.Config(networks=[network])) as container,
):
    container.run(lc.Process(["python3", "-c", TRY])).wait()
