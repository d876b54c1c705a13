# SPDX-License-Identifier: Apache-2.0
"""Strategies keep the contract: ours, and that of a third party."""

from __future__ import annotations

import importlib.metadata
import json
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

import libcontainer as lc
from libcontainer.config.container_json import (
    config_from_container_json,
    parse_container_json,
)
from libcontainer.network.contract import check_strategy
from libcontainer.network.stats import InterfaceStats, parse_net_dev
from tests.network.conftest import links, sh, tables, veth

pytestmark = pytest.mark.needs("root", "rootfs")

SAMPLES = Path(__file__).resolve().parents[2] / "examples" / "sample_configs"
Make = Callable[..., Any]


def survey() -> object:
    return links(), tables()


@pytest.mark.needs("nft")
def test_a_pair_keeps_the_contract(factory: lc.Factory) -> None:
    full = {"masquerade": True, "egress": ["10.9.0.0/24"], "ingress_rate": 10**6}
    check_strategy(veth(2, **full), factory, survey)


def test_a_strategy_of_a_third_party(
    factory: lc.Factory, monkeypatch: pytest.MonkeyPatch, box: Make, gone: Make
) -> None:
    entry = importlib.metadata.EntryPoint(
        "acme", "tests.network.acme:Strategy", "libcontainer.network"
    )

    def found(**wanted: str) -> list[Any]:
        return [entry] if wanted["name"] == "acme" else []

    monkeypatch.setattr(importlib.metadata, "entry_points", found)
    network = lc.CustomNetwork(strategy="acme", options={"link": "acme0"})
    check_strategy(network, factory, survey)
    one = box(network)
    assert "acme0" in links()
    gone(one)


def test_what_a_crash_leaves_is_removed_once_it_can_be(
    factory: lc.Factory, caplog: pytest.LogCaptureFixture
) -> None:
    sh("ip", "link", "add", "lcbr0", "type", "bridge")
    container = factory.create("net-crash", lc.Config(networks=[veth(2)]))
    (record,) = container.state().network
    # As if the maker had been killed between the pair and its process.
    sh("ip", "link", "add", record["link"], "type", "veth", "peer", "name", "rest0")
    sh("ip", "link", "set", record["link"], "alias", record["alias"])
    file = Path(container.path, "state.json")
    document = json.loads(file.read_text())
    document["creator"]["start_time"] = 1  # another process has the number by now
    (kept,) = document["network"]
    file.write_text(json.dumps(document | {"network": [kept | {"strategy": "gone"}]}))
    # The folder alone knows of the link.
    assert factory.recover() == ()
    assert "net-crash cannot be removed yet" in caplog.text
    assert record["link"] in links()
    file.write_text(json.dumps(document))
    assert factory.recover() == ("net-crash",)
    assert links() == ["lcbr0", "lo"]
    sh("ip", "link", "del", "lcbr0")


def test_counters_are_those_of_the_container(box: Make, gone: Make) -> None:
    one = box(veth(2))
    with socket.create_server(("10.9.0.1", 7000)) as server:
        take = "nc 10.9.0.1 7000 </dev/null | wc -c"
        client = one.container.exec(lc.Process(["sh", "-c", take], stdout=lc.PIPE))
        server.settimeout(20)
        connection, _ = server.accept()
        # What is sent goes in one direction only, but for its acknowledgements.
        with connection:
            connection.sendall(bytes(300_000))
        out, _ = client.communicate()
        client.wait()
    assert out == b"300000\n"
    seen = one.container.network_stats()
    assert set(seen) == {"lo", "eth0"}
    assert seen["eth0"].rx_bytes > 300_000 > 3 * seen["eth0"].tx_bytes > 0
    # Of the host's end it is the other way round, as 1.2.0 had to swap it.
    (record,) = one.container.state().network
    (host,) = json.loads(sh("ip", "-j", "-s", "link", "show", record["link"]))
    assert host["stats64"]["tx"]["bytes"] > 300_000 > host["stats64"]["rx"]["bytes"]
    gone(one)


def test_the_table_of_links_is_that_of_the_container(box: Make, gone: Make) -> None:
    one = box(veth(2, mac="02:00:00:00:00:02", mtu=1400))
    # What `nsinit exec --func ip` runs.
    command = [sys.executable, "-m", "libcontainer.commands.interfaces"]
    with one.container.exec_host(command, stdout=lc.PIPE) as process:
        out, _ = process.communicate()
    assert out is not None
    head, first, second = out.decode().splitlines()
    assert head.split() == ["NAME", "MTU", "MAC", "FLAG", "ADDRS"]
    assert first.split()[0] == "lo"
    name, mtu, mac, flags, addresses = second.split()
    assert (name, mtu, mac) == ("eth0", "1400", "02:00:00:00:00:02")
    assert flags == "up|broadcast|multicast"
    assert {"10.9.0.2/24", "fd09::2/64"} <= set(addresses.split(","))
    gone(one)


def test_the_form_of_the_counters() -> None:
    head = "Inter-|   Receive\n face |bytes\n"
    line = "  eth0: " + " ".join(map(str, range(1, 17))) + "\n"
    stats = InterfaceStats(1, 2, 3, 4, 9, 10, 11, 12)
    assert parse_net_dev(head + line) == {"eth0": stats}
    assert parse_net_dev(head + "a:b: 1 2\n") == {}


def test_the_sample_of_2014_runs_on_a_bridge(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    sh("ip", "link", "add", "docker0", "type", "bridge")
    sh("ip", "addr", "add", "172.17.42.1/16", "dev", "docker0")
    sh("ip", "link", "set", "docker0", "up")
    data = (SAMPLES / "attach_to_bridge.json").read_bytes()
    read = config_from_container_json(
        parse_container_json(data), str(busybox_rootfs)
    ).config
    # What needs cgroups and a terminal has tests of its own.
    config = evolve(read, cgroups_path=None, resources=lc.Resources(), terminal=False)
    script = "ip addr show eth0; ip route; ping -c1 -W5 172.17.42.1"
    done = lc.run(
        ["sh", "-c", script],
        config=config,
        factory=factory,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "172.17.0.101/16" in done.stdout
    assert "default via 172.17.42.1 dev eth0" in done.stdout
    sh("ip", "link", "del", "docker0")
