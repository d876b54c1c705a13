# SPDX-License-Identifier: Apache-2.0
"""What may pass: translation to the outside, published ports, limits, lists."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import libcontainer as lc
from tests.network.conftest import OUTSIDE, OUTSIDE6, outside, sh, tables, veth

pytestmark = pytest.mark.needs("root", "rootfs", "nft")

Make = Callable[..., Any]
PING4, PING6 = f"ping -c1 -W3 {OUTSIDE}", f"ping6 -c1 -W3 {OUTSIDE6}"


def test_what_leaves_has_the_address_of_the_host(box: Make, gone: Make) -> None:
    with outside():
        plain = box(veth(2))
        plain.sh(PING4.replace("-W3", "-W1"), expect=1)
        hidden = box(veth(3, masquerade=True))
        hidden.sh(PING4)
        hidden.sh(PING6)
        assert "masquerade" in tables()
        gone(plain, hidden)
        assert tables() == ""


FETCH = (
    sys.executable,
    "-c",
    "import sys, urllib.request as r;"
    " print(r.urlopen(sys.argv[1], timeout=5).read().decode(), end='')",
)


def test_a_published_port_leads_into_the_container(box: Make, gone: Make) -> None:
    with outside() as there:
        ports = [lc.Port(host=8080, container=80)]
        server = box(veth(2, ports=ports))
        serve = "mkdir -p /www; echo hello >/www/index.html; httpd -p 80 -h /www"
        server.sh(serve)
        assert sh(*there, *FETCH, "http://203.0.113.1:8080/") == "hello\n"
        assert sh(*there, *FETCH, "http://[2001:db8::1]:8080/") == "hello\n"
        # From the host itself too, by any address of its but 127.0.0.1.
        assert sh(*FETCH, "http://203.0.113.1:8080/") == "hello\n"
        gone(server)


def test_only_the_listed_networks_can_be_reached(box: Make, gone: Make) -> None:
    with outside():
        one = box(veth(2, masquerade=True, egress=[f"{OUTSIDE}/32"]))
        other = box(veth(3, masquerade=True))
        one.sh(PING4)
        refused = (
            f"ping6 -c1 -W1 {OUTSIDE6}",
            "ping -c1 -W1 10.9.0.3",
            "ping -c1 -W1 10.9.0.1",
            "ping6 -c1 -W1 fd09::3",
            "ping -c1 -W1 203.0.113.1",
            # Another resolver, by its address and over TCP.
            "nc -w1 203.0.113.1 53 </dev/null",
        )
        for attempt in refused:
            one.sh(attempt, expect=1)
        # Another address of its own changes nothing: it is about where to.
        one.sh("ip addr add 10.9.0.77/24 dev eth0", expect=2)
        other.sh("ping -c1 -W1 10.9.0.2", expect=1)
        gone(one, other)


def test_an_allow_list_of_ipv6_finds_its_neighbours(box: Make, gone: Make) -> None:
    with outside():
        one = box(veth(2, masquerade=True, egress=["2001:db8::/32"]))
        one.sh(PING6)
        one.sh(f"ping -c1 -W1 {OUTSIDE}", expect=1)
        gone(one)


SOLICIT = """
import socket
raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 255)
for _ in range(3):
    raw.sendto(b"\\x87" + bytes(7) + b"a secret goes out", ("2001:db8::9", 0))
"""
HEAR = """
import socket, sys
raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
raw.settimeout(float(sys.argv[1]))
print("ready", flush=True)
try:
    while b"secret" not in raw.recv(1000):
        pass
    print("heard", flush=True)
except TimeoutError:
    print("nothing", flush=True)
"""


def heard(one: Any, there: list[str], seconds: int) -> str:
    """What of a neighbour's question to the outside is heard there."""
    command = [*there, sys.executable, "-c", HEAR, str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listener:
        assert listener.stdout is not None
        assert listener.stdout.readline() == "ready\n"
        ask = [sys.executable, "-c", SOLICIT]
        with one.container.exec_host(ask, namespaces={"network"}) as asking:
            assert asking.wait().code == 0
        return listener.stdout.readline()


def test_a_question_for_a_neighbour_carries_nothing_out(box: Make, gone: Make) -> None:
    with outside() as there:
        free = box(veth(2, masquerade=True))
        listed = box(veth(3, masquerade=True, egress=["2001:db8:1::/48"]))
        assert heard(free, there, 20) == "heard\n"
        assert heard(listed, there, 2) == "nothing\n"
        gone(free, listed)


SIZE = 4_000_000
RATE = 1_000_000


def received(server: socket.socket) -> int:
    connection, _ = server.accept()
    count = 0
    with connection:
        while data := connection.recv(65536):
            count += len(data)
    return count


def sent(server: socket.socket) -> int:
    connection, _ = server.accept()
    with connection:
        connection.sendall(bytes(SIZE))
    return SIZE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("field", "work", "script"),
    [
        ("egress_rate", received, f"head -c {SIZE} /dev/zero | nc 10.9.0.1 7000"),
        ("ingress_rate", sent, "nc 10.9.0.1 7000 </dev/null | wc -c"),
    ],
)
def test_a_limit_holds(
    box: Make, gone: Make, field: str, work: Callable[[Any], int], script: str
) -> None:
    one = box(veth(2, **{field: RATE}))
    with socket.create_server(("10.9.0.1", 7000)) as server:
        counts: list[int] = []
        thread = threading.Thread(target=lambda: counts.append(work(server)))
        begin = time.monotonic()
        thread.start()
        one.sh(script, expect=None)
        thread.join()
        seconds = time.monotonic() - begin
    assert counts == [SIZE]
    # Never faster than the limit, but for a second's worth and one burst; how much
    # slower is TCP's affair.
    assert seconds > (SIZE - RATE - 256 * 1024) / RATE
    gone(one)
