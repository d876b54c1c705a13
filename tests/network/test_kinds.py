# SPDX-License-Identifier: Apache-2.0
"""Links of the other kinds, and what a machine without them is told."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.network import Netlink
from libcontainer.oci import parse_bundle
from tests.network.conftest import links, sh
from tests.oci_bundles import document

pytestmark = pytest.mark.needs("root", "rootfs")

Make = Callable[..., Any]
MORE = ((("a0b",), "a%db", "a1b"), ((), "", "par0"))


def parent() -> None:
    sh("ip", "link", "add", "par0", "type", "veth", "peer", "name", "par1")
    sh("ip", "link", "set", "par0", "up")
    sh("ip", "link", "set", "par1", "up")


def shown(one: Any) -> str:
    """What ip(8) of the host says of eth0 inside, with its details."""
    command = ["ip", "-d", "addr", "show", "eth0"]
    with one.container.exec_host(command, stdout=lc.PIPE) as process:
        out, _ = process.communicate()
    return (out or b"").decode()


@pytest.mark.needs("dummy")
def test_a_dummy_leads_nowhere(box: Make, gone: Make) -> None:
    one = box(lc.Dummy(addresses="10.7.0.2/24", mtu=1400, mac="02:00:00:00:00:07"))
    seen = shown(one)
    for word in ("dummy", "mtu 1400", "02:00:00:00:00:07", "10.7.0.2/24", ",UP,"):
        assert word in seen
    gone(one)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        pytest.param(lc.Macvlan, "bridge", marks=pytest.mark.needs("macvlan")),
        pytest.param(lc.Ipvlan, "l2", marks=pytest.mark.needs("ipvlan")),
        pytest.param(lc.Ipvlan, "l3s", marks=pytest.mark.needs("ipvlan")),
    ],
)
def test_two_containers_on_one_link_of_the_host(
    box: Make, gone: Make, kind: Any, mode: str
) -> None:
    parent()
    one, two = (
        box(kind(parent="par0", mode=mode, mtu=1400, addresses=f"10.7.0.{number}/24"))
        for number in (2, 3)
    )
    seen = shown(one)
    for word in (f"{kind.kind}", f"mode {mode}", "mtu 1400", "10.7.0.2/24"):
        assert word in seen
    two.sh("ping -c1 -W5 10.7.0.2")
    # It never had a name on the host, and leaves none.
    assert links() == ["lo", "par0", "par1"]
    gone(one, two)
    sh("ip", "link", "del", "par0")


@pytest.mark.needs("macvlan")
def test_private_links_do_not_see_each_other(box: Make, gone: Make) -> None:
    parent()
    one, two = (
        box(lc.Macvlan(parent="par0", mode="private", addresses=f"10.7.0.{number}/24"))
        for number in (2, 3)
    )
    two.sh("ping -c1 -W1 10.7.0.2", expect=1)
    gone(one, two)
    sh("ip", "link", "del", "par0")


@pytest.mark.needs("vlan")
def test_a_vlan_is_heard_under_its_number_alone(box: Make, gone: Make) -> None:
    parent()
    sh("ip", "link", "add", "link", "par1", "name", "v5", "type", "vlan", "id", "5")
    sh("ip", "addr", "add", "10.7.0.1/24", "dev", "v5")
    sh("ip", "link", "set", "v5", "up")
    five, six = (
        box(lc.Vlan(parent="par0", id=number, addresses=f"10.7.0.{number}/24"))
        for number in (5, 6)
    )
    assert "vlan protocol 802.1Q id 5" in shown(five)
    five.sh("ping -c1 -W5 10.7.0.1")
    six.sh("ping -c1 -W1 10.7.0.1", expect=1)
    gone(five, six)
    sh("ip", "link", "del", "par0")


def test_a_kind_that_the_kernel_lacks_is_told_in_its_words() -> None:
    with (
        Netlink() as netlink,
        pytest.raises(lc.NetworkError, match="Unknown device type") as caught,
    ):
        netlink.add_link("make it", "no-such-kind", ifname="x0")
    assert caught.value.errno == errno.EOPNOTSUPP


def test_a_parent_that_is_not_there(box: Make) -> None:
    for network in (
        lc.Macvlan(parent="absent0"),
        lc.Ipvlan(parent="absent0"),
        lc.Vlan(parent="absent0", id=5),
    ):
        with pytest.raises(lc.NetworkError, match="there is no link 'absent0'"):
            box(network)
    assert links() == ["lo"]


@pytest.mark.parametrize(
    ("taken", "pattern", "expected"),
    [((), "net%d", "net0"), (("net0", "net1"), "net%d", "net2"), *MORE],
)
def test_a_link_that_moves_in_gets_the_first_free_number(
    box: Make, gone: Make, taken: tuple[str, ...], pattern: str, expected: str
) -> None:
    parent()
    others = [lc.Veth(name=name) for name in taken]
    one = box(*others, lc.NetDevice(device="par0", name=pattern))
    assert set(one.sh("ls /sys/class/net").split()) == {"lo", *taken, expected}
    gone(one)
    assert links() == ["lo", "par0", "par1"]
    sh("ip", "link", "del", "par0")


def test_a_link_of_the_host_moves_in_and_back(box: Make, gone: Make) -> None:
    parent()
    sh("ip", "addr", "add", "10.6.0.2/24", "dev", "par0")
    sh("ip", "addr", "add", "fd06::2/64", "dev", "par0", "nodad")
    wanted = lc.NetDevice(device="par0", name="net%d", addresses="10.6.0.3/24")
    one = box(wanted)
    assert links() == ["lo", "par1"]
    seen = one.sh("ip addr show net0")
    for address in ("10.6.0.2/24", "10.6.0.3/24", "fd06::2/64"):
        assert address in seen
    assert "UP" in seen
    gone(one)
    assert links() == ["lo", "par0", "par1"]
    assert "10.6.0.2/24" in sh("ip", "addr", "show", "par0")
    sh("ip", "link", "del", "par0")


@pytest.mark.parametrize("joined", [False, True])
def test_a_bundle_moves_links_of_the_host(
    box: Make, gone: Make, busybox_rootfs: Path, joined: bool
) -> None:
    parent()
    sh("ip", "addr", "add", "10.6.0.2/24", "dev", "par0")
    content = document("sleep", "1000")
    content["linux"]["netDevices"] = {"par0": {"name": "net%d"}, "par1": {}}
    config = parse_bundle(content, "/bundle").config
    wishes: dict[str, Any] = {}
    holder = None
    if joined:
        holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo; exec sleep 1000"],
            stdout=subprocess.PIPE,
        )
        assert holder.stdout is not None
        holder.stdout.readline()
        wishes["namespace_paths"] = {"network": f"/proc/{holder.pid}/ns/net"}
    one = box(*config.networks, **wishes)
    assert set(one.sh("ls /sys/class/net").split()) == {"lo", "net0", "par1"}
    assert "10.6.0.2/24" in one.sh("ip addr show net0")
    assert links() == ["lo"]
    gone(one)
    assert links() == ["lo", "par0", "par1"]
    if holder is not None and holder.stdout is not None:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    sh("ip", "link", "del", "par0")


def test_a_link_that_moved_comes_back_after_a_failure(box: Make) -> None:
    parent()
    moved = lc.NetDevice(device="par0", name="lan0", gateways="10.99.0.1")
    with pytest.raises(lc.NetworkError, match="invalid gateway"):
        box(moved)
    assert links() == ["lo", "par0", "par1"]
    sh("ip", "link", "del", "par0")


def test_a_device_that_is_not_there(box: Make) -> None:
    with pytest.raises(lc.NetworkError, match="there is no link 'absent0'"):
        box(lc.NetDevice(device="absent0"))


def test_a_strategy_that_is_not_there(box: Make) -> None:
    with pytest.raises(lc.UnsupportedError, match="entry point 'acme'"):
        box(lc.CustomNetwork(strategy="acme"))


def chain(folder: Path, *more: dict[str, Any]) -> dict[str, Any]:
    """A chain of plugins whose addresses are written down in *folder*."""
    bridge = {
        "type": "bridge",
        "bridge": "cni-lc0",
        "isGateway": True,
        "ipam": {
            "type": "host-local",
            "subnet": "10.5.0.0/24",
            "dataDir": str(folder),
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    tuning = {"type": "tuning", "mtu": 1400}
    plugins = [bridge, tuning, *more]
    return {"cniVersion": "0.4.0", "name": "lcnet", "plugins": plugins}


@pytest.mark.needs("cni")
def test_a_chain_of_cni_plugins(box: Make, gone: Make, tmp_path: Path) -> None:
    right = chain(tmp_path)
    one, two = box(lc.Cni(conflist=right)), box(lc.Cni(conflist=right, name="lan0"))
    assert "mtu 1400" in one.sh("ip link show eth0")
    address = two.sh("ip -4 -o addr show lan0").split()[3].partition("/")[0]
    one.sh(f"ping -c1 -W5 {address}")
    assert "default via 10.5.0.1" in one.sh("ip route")
    gone(one, two)
    assert links() == ["cni-lc0", "lo"]
    assert not list(tmp_path.rglob("10.5.*"))
    broken = chain(tmp_path, {"type": "no-such-plugin"})
    with pytest.raises(lc.NetworkError, match="it is in none of"):
        box(lc.Cni(conflist=broken))
    assert links() == ["cni-lc0", "lo"]
    assert not list(tmp_path.rglob("10.5.*"))
    sh("ip", "link", "del", "cni-lc0")
