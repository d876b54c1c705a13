# SPDX-License-Identifier: Apache-2.0
"""Containers on a bridge, seen from inside and from the host."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from tests.network.conftest import links, sh, tables, veth

pytestmark = pytest.mark.needs("root", "rootfs")

Make = Callable[..., Any]


def test_two_containers_speak_over_a_bridge(box: Make, gone: Make) -> None:
    one, two = box(veth(2)), box(veth(3))
    two.sh("ping -c1 -W5 10.9.0.2")
    two.sh("ping6 -c1 -W5 fd09::2")
    for address in ("10.9.0.3", "fd09::3"):
        server = two.container.exec(
            lc.Process(["sh", "-c", "echo hello | nc -lp 7000"], stdin=lc.DEVNULL)
        )
        heard = one.sh(
            "for i in 1 2 3 4 5 6 7 8 9; do"
            f" nc -w5 {address} 7000 </dev/null && exit; sleep 0.2; done"
        )
        assert heard.splitlines()[-1] == "hello"
        server.wait()
    sh("ping", "-c1", "10.9.0.2") if Path("/bin/ping").exists() else None
    gone(one, two)


def test_a_link_has_everything_that_was_asked_for(box: Make, gone: Make) -> None:
    wanted = veth(
        2,
        name="lan0",
        mtu=1400,
        mac="02:00:00:00:00:02",
        txqueuelen=77,
        hairpin=True,
        isolated=True,
        host_name="lan-host",
        neighbours=[lc.Neighbour("10.9.0.9", "02:00:00:00:00:09")],
        sysctl={"ipv6.accept_ra": 0, "ipv4.arp_announce": 2},
    )
    one = box(wanted)
    seen = one.sh("ip link show lan0; ip -4 addr show lan0; ip -6 addr show lan0")
    for word in ("mtu 1400", "qlen 77", "02:00:00:00:00:02", "10.9.0.2/24", ",UP,"):
        assert word in seen
    assert "fd09::2/64" in seen
    assert "default via 10.9.0.1 dev lan0" in one.sh("ip route")
    assert "default via fd09::1 dev lan0" in one.sh("ip -6 route")
    assert "02:00:00:00:00:09" in one.sh("ip neigh")
    assert one.sh("cat /proc/sys/net/ipv6/conf/lan0/accept_ra") == "0\n"
    assert one.sh("cat /proc/sys/net/ipv4/conf/lan0/arp_announce") == "2\n"
    assert links() == ["lan-host", "lcbr0", "lo"]
    (port,) = json.loads(sh("ip", "-j", "-d", "link", "show", "lan-host"))
    assert port["master"] == "lcbr0"
    assert port["mtu"] == 1400
    assert port["linkinfo"]["info_slave_data"]["hairpin"] is True
    assert port["linkinfo"]["info_slave_data"]["isolated"] is True
    gone(one)


def test_a_bridge_of_the_host_stays(box: Make, gone: Make) -> None:
    sh("ip", "link", "add", "lcbr0", "type", "bridge")
    one = box(veth(2))
    gone(one)
    assert links() == ["lcbr0", "lo"]
    sh("ip", "link", "del", "lcbr0")


def test_a_missing_bridge_is_an_error_that_leaves_nothing(box: Make) -> None:
    with pytest.raises(lc.NetworkError) as caught:
        box(lc.Veth(bridge="absent", addresses=["10.9.0.2/24"]))
    assert "there is no link 'absent'" in str(caught.value)
    assert caught.value.stage == "network"
    assert links() == ["lo"]


def test_a_pair_without_a_bridge_reaches_the_host(box: Make, gone: Make) -> None:
    one = box(lc.Veth(addresses="10.8.0.2/24", bridge_addresses="10.8.0.1/24"))
    one.sh("ping -c1 -W5 10.8.0.1")
    gone(one)


def test_many_networks_and_their_routes(box: Make, gone: Make) -> None:
    one = box(
        veth(2),
        lc.Veth(name="eth1", addresses=["10.8.0.2/24", "10.8.0.3/24"]),
        lc.Veth(name="eth2"),
        routes=[
            lc.Route(destination="192.0.2.0/24", gateway="10.8.0.1", metric=7),
            lc.Route(
                destination="198.51.100.0/24", interface="eth1", source="10.8.0.3"
            ),
        ],
    )
    seen = one.sh("ip route")
    assert "192.0.2.0/24 via 10.8.0.1 dev eth1  metric 7" in seen
    assert "198.51.100.0/24 dev eth1 scope link  src 10.8.0.3" in seen
    assert len(links()) == 5
    gone(one)


def refused(box: Make, *networks: Any, **fields: Any) -> lc.NetworkError:
    with pytest.raises(lc.NetworkError) as caught:
        box(*networks, **fields)
    assert links() == ["lo"]
    assert tables() == ""
    return caught.value


def test_a_failure_at_each_step_leaves_no_link(box: Make) -> None:
    full = {"masquerade": True, "egress": ["10.9.0.0/24"], "egress_rate": 10**6}
    error = refused(box, veth(2, **full), veth(3, name="eth1", gateways="10.99.0.1"))
    assert "the kernel says: Nexthop has invalid gateway" in str(error)
    refused(box, veth(2, addresses=["10.9.0.2/24"] * 2, gateways=[]))
    refused(box, veth(2, gateways=["fd55::1"], **full))
    refused(box, veth(2, sysctl={"ipv4.no_such_parameter": 1}))
    route = lc.Route(destination="192.0.2.0/24", interface="absent")
    error = refused(box, veth(2), routes=[route])
    assert "routes[0]" in str(error)


def test_the_names_of_the_host_do_not_clash(box: Make) -> None:
    sh("ip", "link", "add", "mine", "type", "bridge")
    with pytest.raises(lc.NetworkError, match="EEXIST"):
        box(lc.Veth(host_name="mine"))
    # What was there before is not taken for what the launch has made.
    assert links() == ["lo", "mine"]
    sh("ip", "link", "del", "mine")


@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_many_containers_on_one_bridge(box: Make, gone: Make, count: int) -> None:
    boxes = [box(veth(number)) for number in range(2, count + 2)]
    assert len(links()) == count + 2
    boxes[0].sh(f"ping -c1 -W5 10.9.0.{count + 1}")
    gone(*boxes)


def test_a_factory_of_another_program_takes_it_down(
    box: Make, factory: lc.Factory
) -> None:
    one = box(veth(2, masquerade=True))
    with lc.Factory(factory.root) as other:
        other.load(one.container.id).delete(force=True)


def test_names_are_known_from_files_of_our_own(box: Make, gone: Make) -> None:
    dns = lc.Dns(
        servers=["192.0.2.53"],
        search=["example.org"],
        options=["ndots:2"],
        hosts={"db": "10.9.0.7"},
    )
    one = box(veth(2), dns=dns, hostname="box", user="1000")
    text = "nameserver 192.0.2.53\nsearch example.org\noptions ndots:2\n"
    assert one.sh("cat /etc/resolv.conf") == text
    found = one.sh("cat /etc/hosts")
    assert "10.9.0.7\tdb\n" in found
    assert "10.9.0.2\tbox\n" in found
    one.sh("echo x >> /etc/hosts", expect=1)
    gone(one)


WITH_USER: dict[str, Any] = {
    "namespaces": [*lc.Config().namespaces, "user"],
    "uid_mappings": [lc.IdMapping(0, 100000, 65536)],
    "gid_mappings": [lc.IdMapping(0, 100000, 65536)],
}


def test_a_container_with_a_user_namespace(box: Make, gone: Make) -> None:
    one = box(veth(2, sysctl={"ipv6.accept_ra": 0}), **WITH_USER)
    one.sh("ping -c1 -W5 10.9.0.1")
    assert one.sh("cat /proc/sys/net/ipv6/conf/eth0/accept_ra") == "0\n"
    gone(one)


def test_a_prepared_container_waits_with_its_network(factory: lc.Factory) -> None:
    with factory.create("net-gate", lc.Config(networks=[veth(2)])) as container:
        process = container.prepare(lc.Process(["cat", "/proc/net/dev"]))
        assert set(container.network_stats()) == {"lo", "eth0"}
        container.start()
        assert process.wait().code == 0


def test_a_running_event_loop_is_no_hindrance(box: Make, gone: Make) -> None:
    async def make() -> Any:
        return box(veth(2))

    gone(asyncio.run(make()))


def test_the_namespace_of_the_caller_stays_its_own(box: Make, gone: Make) -> None:
    before = Path("/proc/thread-self/ns/net").readlink()
    one = box(veth(2, sysctl={"ipv6.accept_ra": 0}))
    assert Path("/proc/thread-self/ns/net").readlink() == before
    assert Path("/proc/self/ns/net").readlink() != before
    gone(one)
