# SPDX-License-Identifier: Apache-2.0
"""Requests that go together, and the kernel's answers to each."""

from __future__ import annotations

import pytest

import libcontainer as lc
from libcontainer.network import Netlink
from libcontainer.network._socket import _frozen, _thawed
from tests.network.conftest import links, sh

pytestmark = pytest.mark.needs("root", "network")


def test_requests_of_a_batch_are_carried_out_in_order() -> None:
    with Netlink() as netlink:
        with netlink.batch():
            netlink.add_link("make one", "bridge", ifname="one0")
            netlink.set_link("take it up", "one0", up=True, ifalias="first")
        assert netlink.link("one0")["attrs"]["IFLA_IFALIAS"] == "first"  # type: ignore[index]
        assert "UP" in sh("ip", "link", "show", "one0")
        netlink.delete_link("one0")


def test_the_first_failure_of_a_batch_is_told_and_the_socket_goes_on() -> None:
    with Netlink() as netlink:
        failure = "take away: no such device"
        with pytest.raises(lc.NetworkError, match=failure), netlink.batch():
            netlink.add_link("make one", "bridge", ifname="one0")
            netlink.set_link("take away", "absent0", up=True)
            netlink.add_link("again", "bridge", ifname="one0")
        # The kernel went on, and so do we: what answers belongs to its request.
        assert links() == ["lo", "one0"]
        assert netlink.index_of("lo") == 1
        netlink.delete_link("one0")
        with pytest.raises(RuntimeError), netlink.batch():
            netlink.add_link("never", "bridge", ifname="two0")
            raise RuntimeError
        assert netlink.index_of("two0") is None


def test_what_is_kept_of_a_message_is_the_message() -> None:
    fields = {
        "index": 3,
        "attrs": [
            ("IFLA_IFNAME", "eth0"),
            (
                "IFLA_LINKINFO",
                {"attrs": [("IFLA_INFO_KIND", "vlan"), ("IFLA_INFO_DATA", {})]},
            ),
            ("EMPTY", {"attrs": []}),
        ],
    }
    kept = _frozen(fields)
    assert hash(kept) == hash(_frozen(dict(fields)))
    assert _thawed(kept) == fields
