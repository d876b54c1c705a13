# SPDX-License-Identifier: Apache-2.0
"""What is wrong with networks is told at once, before anything is made."""

from __future__ import annotations

import json
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.config import config_from_json, config_to_json
from libcontainer.validate import validate

ALL = (
    lc.Loopback(),
    lc.Veth(
        bridge="br0",
        addresses=["10.0.0.2/24", "fd00::2/64"],
        gateways="10.0.0.1",
        neighbours=[lc.Neighbour("10.0.0.9", "02:00:00:00:00:09")],
        ports=[lc.Port(host=80, container=8080)],
        egress=["192.0.2.0/24"],
        sysctl={"ipv6.accept_ra": 0},
    ),
    lc.Macvlan(name="mac0", parent="eth9"),
    lc.Ipvlan(name="ip0", parent="eth9", mode="l3"),
    lc.Vlan(name="vlan5", parent="eth9", id=5),
    lc.Dummy(name="dum0"),
    lc.NetDevice(device="wlan0", name="net%d"),
    lc.Cni(name="cni0", conflist={"name": "x", "plugins": [{"type": "ptp"}]}),
    lc.CustomNetwork(strategy="acme", options={"speed": 3}),
    lc.Pasta(name="user0", ports=[lc.Port(host=81, container=8080)]),
    lc.Slirp4netns(name="user1", subnet="10.3.0.0/24", mtu=1400, host_loopback=True),
)


def problems(*networks: Any, **fields: Any) -> list[str]:
    return [str(p) for p in validate(lc.Config(networks=networks, **fields))]


def test_a_configuration_with_every_network_is_right_and_comes_back() -> None:
    routes = [lc.Route(destination="192.0.2.0/24", gateway="10.0.0.1")]
    dns = lc.Dns(servers="192.0.2.53", hosts={"db": "10.0.0.7"})
    config = lc.Config(networks=ALL, routes=routes, dns=dns)
    assert validate(config) == []
    text = json.dumps(config_to_json(config))
    assert config_from_json(json.loads(text)) == config
    assert hash(config) == hash(config_from_json(json.loads(text)))


@pytest.mark.parametrize(
    "name",
    ["", "..", ".", "lo", "all", "a/b", "a b", "a:b", "a\n", "a\0b", "x" * 16, "é", 7],
)
@pytest.mark.parametrize("field", ["name", "bridge", "host_name", "prefix"])
def test_bad_names_of_links_are_refused(name: Any, field: str) -> None:
    (first, *_) = problems(lc.Veth(**{field: name}))
    assert first.startswith(f"networks[0].{field}: ")


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (lc.Veth(mtu=67), "networks[0].mtu: must be from 68 to 65535, not 67"),
        (lc.Veth(mtu=True), "networks[0].mtu: must be an integer, not bool"),
        (lc.Veth(addresses="10.0.0.2"), "networks[0].addresses[0]: must be such as"),
        (lc.Veth(addresses="10.0.0.2/33"), "networks[0].addresses[0]: must be such"),
        (lc.Veth(addresses="fe80::1%x/64"), "networks[0].addresses[0]: must be such"),
        (lc.Veth(addresses="224.0.0.1/24"), "networks[0].addresses[0]: is no address"),
        (lc.Veth(gateways=["10.0.0.1", "10.0.0.2"]), "gateways[1]: is a second"),
        (lc.Veth(mac="01:00:00:00:00:01"), "networks[0].mac: is no address of one"),
        (lc.Veth(mac="zz"), "networks[0].mac: must be such as"),
        (lc.Veth(txqueuelen=-1), "networks[0].txqueuelen: must be from 0"),
        (lc.Veth(hairpin=True), "networks[0].hairpin: needs a bridge"),
        (lc.Veth(masquerade=True), "networks[0].masquerade: needs an address"),
        (lc.Veth(egress=["nowhere"]), "networks[0].egress[0]: must be such as"),
        (lc.Veth(egress_rate=1), "networks[0].egress_rate: must be from 1000"),
        (lc.Veth(sysctl={"../../kernel.x": 1}), "networks[0].sysctl[0]: must be such"),
        (lc.Veth(bridge="b", bridge_addresses="10.0.0.1/8"), "need create_bridge"),
        (lc.Vlan(parent="p", id=4095), "networks[0].id: must be from 1 to 4094"),
        (lc.Macvlan(parent="p", mode="x"), "networks[0].mode: must be one of"),
        (lc.Ipvlan(parent="p", mac="02:00:00:00:00:01"), "networks[0].mac: an ipvlan"),
        (lc.NetDevice(device="e", name="%d%d"), "networks[0].name: must be letters"),
        (lc.Veth(ports=[lc.Port(host=0, container=1)]), "ports[0].host: must be from"),
        (lc.Cni(conflist="{}"), "networks[0].conflist: must be a CNI list"),
        (
            lc.Cni(conflist={"name": "x", "plugins": [{"type": "../sh"}]}),
            "networks[0].conflist: must be a CNI list",
        ),
        (lc.CustomNetwork(strategy="a b"), "networks[0].strategy: is no name"),
        (lc.Pasta(name="a/b"), "networks[0].name: must be letters"),
        (lc.Pasta(host_loopback=1), "networks[0].host_loopback: must be"),
        (lc.Slirp4netns(mtu=10), "networks[0].mtu: must be from 68"),
        (lc.Slirp4netns(subnet="fd00::/64"), "networks[0].subnet: must be an IPv4"),
        (lc.Slirp4netns(subnet="10.0.0.0/26"), "networks[0].subnet: must be an IPv4"),
        (
            lc.Slirp4netns(ports=[lc.Port(host=1, container=1, address="::1")]),
            "networks[0].ports[0].address: slirp4netns publishes on IPv4 alone",
        ),
        ("veth", "networks[0]: must be a network, not str"),
    ],
)
def test_bad_values_are_refused(network: Any, expected: str) -> None:
    assert expected in "\n".join(problems(network))


def test_contradictions_are_refused() -> None:
    assert problems(lc.Veth(), lc.Veth()) == [
        "networks[1]: 'eth0' is the name of networks[0] already"
    ]
    assert problems(lc.Veth(), namespaces=["mount"]) == [
        "networks: need the namespace 'network'"
    ]
    joined = {"network": "/run/netns/x"}
    assert problems(lc.Veth(), namespace_paths=joined) == [
        "networks: cannot be set up in a network namespace that is joined"
    ]
    routes = [lc.Route(), lc.Route(destination="::/0", gateway="10.0.0.1")]
    assert problems(routes=routes) == [
        "routes[0]: needs a destination, a gateway or a source",
        "routes[0]: needs a gateway or an interface",
        "routes[1]: mixes IPv4 and IPv6",
    ]
    dns = lc.Dns(servers=["x"], search=["a\nb"], options=["x y"], hosts={"a b": "::"})
    assert [line.partition(":")[0] for line in problems(dns=dns)] == [
        "dns.servers[0]",
        "dns.search[0]",
        "dns.options[0]",
        "dns.hosts[0]",
    ]
