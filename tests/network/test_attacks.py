# SPDX-License-Identifier: Apache-2.0
"""N: what a container tries by way of the network, and what a configuration does."""

from __future__ import annotations

import contextlib
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.network import Netlink
from tests.network.conftest import links, sh, veth

pytestmark = pytest.mark.needs("root", "rootfs")

Make = Callable[..., Any]


def abstract(text: str) -> set[str]:
    """The sockets with a name that is no path, of what /proc/net/unix says."""
    return {word for word in text.split() if word.startswith("@")}


def test_n01_nothing_listens_on_a_name_that_is_no_path(box: Make, gone: Make) -> None:
    before = abstract(Path("/proc/net/unix").read_text())
    one = box(veth(2), lc.Veth(name="eth1"))
    other = box(lc.Proxy())
    assert abstract(Path("/proc/net/unix").read_text()) <= before
    for each in (one, other):
        assert abstract(each.sh("cat /proc/net/unix")) == set()
    gone(one, other)


@pytest.mark.parametrize("name", ["../x", "a/../b", "x" * 16, "a\0b", "a\nb", "lo"])
def test_n02_a_bad_name_is_refused_before_anything_is_made(
    factory: lc.Factory, name: str
) -> None:
    for network in (
        lc.Veth(name=name),
        lc.Veth(host_name=name),
        lc.Veth(bridge=name, create_bridge=True),
        lc.Macvlan(parent=name),
        lc.NetDevice(device=name),
        lc.NetDevice(device="eth0", name=name),
        lc.Pasta(name=name),
        lc.Slirp4netns(name=name),
        lc.Cni(conflist={"name": "x", "plugins": [{"type": "ptp"}]}, name=name),
    ):
        with pytest.raises(lc.ConfigError):
            factory.create("bad", lc.Config(networks=[network]))
    assert links() == ["lo"]
    assert factory.list() == []


def test_n03_what_is_too_long_for_an_attribute_is_not_sent() -> None:
    # 65,536 bytes would be a length of 4, and the rest attributes of its own.
    hidden = struct.pack("=HH", 8, 3) + b"evil"
    for length in (65_532, 65_536, 70_000):
        with Netlink() as netlink, contextlib.suppress(lc.NetworkError, struct.error):
            name = (hidden.decode("latin-1") * (length // 8))[:length]
            netlink.add_link("make it", "bridge", ifname=name)
        assert links() == ["lo"]


ADVERTISE = """
import socket, struct, subprocess, time
def addresses():
    return subprocess.check_output(["ip", "-6", "addr", "show", "eth0"]).decode()
while "fe80" not in addresses() or "tentative" in addresses():
    time.sleep(0.1)
raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
link = socket.if_nametoindex("eth0")
raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, link)
for _ in range(5):
    router = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
    raw.sendto(router, ("ff02::1", 0, 0, link))
    time.sleep(0.1)
"""


def advertise(one: Any) -> None:
    """Say from inside that the container is a router."""
    command = [sys.executable, "-c", ADVERTISE]
    with one.container.exec_host(command, namespaces={"network"}) as process:
        assert process.wait().code == 0


@pytest.mark.parametrize("bridged", [True, False], ids=["bridge", "pair"])
def test_n04_the_host_does_not_take_a_container_for_its_router(
    box: Make, gone: Make, bridged: bool
) -> None:
    one = box(veth(2) if bridged else lc.Veth(addresses="fd08::2/64"))
    device = next(name for name in links() if name != "lo") if not bridged else "lcbr0"
    sh("sh", "-c", f"until ip -6 addr show {device} | grep -q fe80; do sleep .1; done")
    advertise(one)
    assert "proto ra" not in sh("ip", "-6", "route")
    # The attack is real: a host that listens to routers follows it.
    Path(f"/proc/sys/net/ipv6/conf/{device}/accept_ra").write_text("1")
    advertise(one)
    assert f"dev {device} proto ra" in sh("ip", "-6", "route")
    gone(one)


def test_n05_no_namespace_is_left_of_a_failure(box: Make) -> None:
    # A namespace without a process is seen by its links: theirs have peers here.
    for number in range(3):
        bad = lc.Veth(name="eth1", gateways="10.99.0.1")
        with pytest.raises(lc.NetworkError):
            box(veth(2, host_name=f"left{number}"), bad)
        assert links() == ["lo"]


def test_n07_a_link_that_was_moved_comes_back_from_who_holds_on_to_it(
    box: Make, gone: Make
) -> None:
    sh("ip", "link", "add", "par0", "type", "veth", "peer", "name", "par1")
    one = box(lc.NetDevice(device="par0", name="mine"))
    # Renamed, with another address, and taken down by root inside.
    take = "ip link set mine down; ip link set mine name stolen"
    command = ["sh", "-c", take]
    with one.container.exec_host(command, namespaces={"network"}) as process:
        assert process.wait().code == 0
    assert links() == ["lo", "par1"]
    gone(one)
    assert links() == ["lo", "par0", "par1"]
    sh("ip", "link", "del", "par0")
