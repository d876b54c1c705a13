# SPDX-License-Identifier: Apache-2.0
"""Links by themselves, as the 2014 library's netlink package had them."""

from __future__ import annotations

import json
import os
import subprocess
import time

import pytest

import libcontainer as lc
from libcontainer.network import links as nl
from tests.network.conftest import sh

pytestmark = pytest.mark.needs("root")


def shown(name: str) -> dict[str, object]:
    (found,) = json.loads(sh("ip", "-j", "-d", "addr", "show", name))
    return dict(found)


def test_a_pair_on_a_bridge_with_address_and_route() -> None:
    nl.create_bridge("br7")
    nl.create_veth_pair("one7", "two7")
    nl.set_master("one7", "br7")
    nl.set_mac("two7", "02:00:00:00:00:07")
    nl.set_mtu("two7", 1400)
    for name in ("br7", "one7", "two7"):
        nl.set_up(name)
    nl.add_address("two7", "10.7.0.2/24")
    nl.add_route("10.8.0.0/16", gateway="10.7.0.1", source="10.7.0.2")
    nl.add_default_gw("10.7.0.1", "two7")
    assert nl.link_names() == ("lo", "br7", "two7", "one7")
    assert shown("one7")["master"] == "br7"
    two = shown("two7")
    assert (two["mtu"], two["address"]) == (1400, "02:00:00:00:00:07")
    routes = sh("ip", "route")
    assert "10.8.0.0/16 via 10.7.0.1 dev two7 src 10.7.0.2" in " ".join(routes.split())
    assert "default via 10.7.0.1 dev two7" in routes
    nl.set_master("one7", None)
    assert "master" not in shown("one7")
    nl.set_down("two7")
    nl.set_name("two7", "new7")
    assert "UP" not in shown("new7")["flags"]  # type: ignore[operator]
    nl.link_del("new7")
    nl.link_del("br7")
    assert nl.link_names() == ("lo",)


def test_a_link_goes_into_another_namespace() -> None:
    with subprocess.Popen(["unshare", "--net", "sleep", "60"]) as other:
        deadline = time.monotonic() + 20
        path = f"/proc/{other.pid}/ns/net"
        while os.readlink(path) == os.readlink("/proc/thread-self/ns/net"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        nl.create_veth_pair("here7", "there7")
        nl.set_ns_pid("there7", other.pid)
        assert nl.link_names() == ("lo", "here7")
        nl.create_veth_pair("here8", "there8")
        namespace = os.open(path, os.O_RDONLY)
        nl.set_ns_fd("there8", namespace)
        os.close(namespace)
        inside = sh("nsenter", f"--net={path}", "ip", "-j", "link")
        assert {"there7", "there8"} <= {one["ifname"] for one in json.loads(inside)}
        nl.link_del("here7")
        nl.link_del("here8")
        other.kill()


def test_what_is_wrong_is_told() -> None:
    with pytest.raises(lc.ConfigError, match="name"):
        nl.create_bridge("a/b")
    with pytest.raises(lc.ConfigError, match="name"):
        nl.create_veth_pair("fine", "x" * 16)
    with pytest.raises(lc.NetworkError, match="there is no link 'none7'"):
        nl.link_del("none7")
    with pytest.raises(lc.NetworkError, match="ENODEV"):
        nl.set_up("none7")
    with pytest.raises(OSError, match="Bad file"):
        nl.set_ns_fd("lo", 999)
    nl.create_bridge("br7")
    with pytest.raises(lc.NetworkError, match="EEXIST"):
        nl.create_bridge("br7")
    nl.link_del("br7")
