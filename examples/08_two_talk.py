# SPDX-License-Identifier: Apache-2.0
"""Two containers on one bridge: one answers, the other asks."""

import libcontainer as lc


def link(number: int) -> lc.Veth:
    """Return a link on a bridge that is made for it and goes with the last."""
    return lc.Veth(
        bridge="lcdemo0",
        create_bridge=True,
        bridge_addresses=["10.98.0.1/24"],
        addresses=[f"10.98.0.{number}/24"],
    )


ANSWER = """
import socket
with socket.create_server(("10.98.0.2", 7000)) as server:
    print("ready", flush=True)
    with server.accept()[0] as peer:
        peer.sendall(b"hello from the other container")
"""
ASK = """
import socket
with socket.create_connection(("10.98.0.2", 7000), timeout=10) as server:
    print(server.recv(100).decode())
"""

with lc.Factory() as factory:
    one = factory.create("demo-answers", lc.Config(networks=[link(2)]))
    two = factory.create("demo-asks", lc.Config(networks=[link(3)]))
    with one, two:
        server = one.run(lc.Process(["python3", "-c", ANSWER], stdout=lc.PIPE))
        if server.stdout is not None:
            server.stdout.readline()
        two.run(lc.Process(["python3", "-c", ASK])).wait()
