# SPDX-License-Identifier: Apache-2.0
"""Links of the other kinds, and what a machine without them is told."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from tests.network.conftest import links, sh

pytestmark = pytest.mark.needs("root", "rootfs")

Make = Callable[..., Any]


def parent() -> None:
    sh("ip", "link", "add", "par0", "type", "veth", "peer", "name", "par1")
    sh("ip", "link", "set", "par0", "up")
    sh("ip", "link", "set", "par1", "up")


def has(kind: str) -> bool:
    """Whether the kernel knows a kind of link; asked of the kernel itself."""
    words = {"vlan": ("id", "5"), "dummy": ()}.get(kind, ())
    on = ("link", "par0") if kind != "dummy" else ()
    make = ("ip", "link", "add", *on, "name", "probe0", "type", kind, *words)
    done = subprocess.run(make, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        sh("ip", "link", "del", "probe0")
        return True
    assert "Unknown device type" in done.stderr, done.stderr
    return False


@pytest.mark.parametrize(
    ("kind", "network", "word"),
    [
        ("macvlan", lc.Macvlan(parent="par0", addresses="10.7.0.2/24"), "macvlan"),
        ("ipvlan", lc.Ipvlan(parent="par0", addresses="10.7.0.2/24"), "ipvlan"),
        ("vlan", lc.Vlan(parent="par0", id=5, addresses="10.7.0.2/24"), "vlan"),
        ("dummy", lc.Dummy(addresses="10.7.0.2/24", mtu=1400), "mtu 1400"),
    ],
)
def test_a_link_of_a_kind(
    box: Make, gone: Make, kind: str, network: Any, word: str
) -> None:
    parent()
    try:
        if not has(kind):
            with pytest.raises(lc.NetworkError, match="Unknown device type"):
                box(network)
            return
        one = box(network)
        assert "10.7.0.2/24" in one.sh("ip addr show eth0")
        command = ["ip", "-d", "link", "show", "eth0"]
        with one.container.exec_host(command, stdout=lc.PIPE) as shown:
            out, _ = shown.communicate()
        assert word in (out or b"").decode()
        gone(one)
        assert links() == ["lo", "par0", "par1"]
    finally:
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
