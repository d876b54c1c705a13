# SPDX-License-Identifier: Apache-2.0
"""Links, addresses and routes by themselves, without a container.

The names are those of the 2014 library's ``netlink`` package, and of ip(8). Each call
opens a socket of the caller's own network namespace, does one thing and closes it. A
link that is named and is not there is a `NetworkError` with ``ENODEV``.

Needs CAP_NET_ADMIN there. See rtnetlink(7).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from libcontainer.config.report import Report
from libcontainer.errors import ConfigError, NetworkError
from libcontainer.network._netlink import Netlink, link_attributes
from libcontainer.validate.addresses import link_name


@contextlib.contextmanager
def _socket(*names: str) -> Iterator[Netlink]:
    report = Report()
    for name in names:
        link_name(report, "name", name)
    if report.problems:
        raise ConfigError(report.problems)
    with contextlib.closing(Netlink()) as netlink:
        yield netlink


def link_add(name: str, kind: str) -> None:
    """Make a link of a kind that needs nothing else: ``dummy``, ``bridge``, ``ifb``.

    Raises:
        ConfigError: *name* is no name of a link.
        NetworkError: the kernel refused it; ``EEXIST`` if there is such a link.
    """
    with _socket(name) as netlink:
        netlink.add_link(f"make the {kind} {name!r}", kind, ifname=name)


def create_bridge(name: str) -> None:
    """Make a bridge; it is down.

    Raises:
        ConfigError, NetworkError: as for `link_add`.
    """
    link_add(name, "bridge")


def create_veth_pair(name: str, peer: str) -> None:
    """Make two links that are the ends of one wire; both are down.

    Raises:
        ConfigError, NetworkError: as for `link_add`.
    """
    with _socket(name, peer) as netlink:
        other = {"attrs": link_attributes({"ifname": peer})}
        what = f"make the pair of {name!r} and {peer!r}"
        netlink.add_link(what, "veth", [("VETH_INFO_PEER", other)], ifname=name)


def link_del(name: str) -> None:
    """Remove a link.

    Raises:
        NetworkError: the kernel refused it; ``ENODEV`` if there is none.
    """
    with _socket(name) as netlink:
        netlink.need(name, f"remove the link {name!r}")
        netlink.delete_link(name)


def set_up(name: str) -> None:
    """Set a link up.

    Raises:
        NetworkError: the kernel refused it.
    """
    with _socket(name) as netlink:
        netlink.set_link(f"set {name!r} up", name, up=True)


def set_down(name: str) -> None:
    """Set a link down; its routes go.

    Raises:
        NetworkError: the kernel refused it.
    """
    with _socket(name) as netlink:
        netlink.set_link(f"set {name!r} down", name, up=False)


def set_mtu(name: str, mtu: int) -> None:
    """Set the largest packet that a link takes, in bytes.

    Raises:
        NetworkError: the kernel refused it, ``EINVAL`` if it is out of range.
    """
    with _socket(name) as netlink:
        netlink.set_link(f"set the MTU of {name!r} to {mtu}", name, mtu=mtu)


def set_name(name: str, new: str) -> None:
    """Give a link another name.

    Raises:
        ConfigError: *new* is no name of a link.
        NetworkError: the kernel refused it; ``EEXIST`` if another has the name.
    """
    with _socket(name, new) as netlink:
        what = f"rename {name!r} to {new!r}"
        netlink.set_link(what, netlink.need(name, what), ifname=new)


def set_mac(name: str, mac: str) -> None:
    """Set the hardware address of a link, ``02:00:00:00:00:01``.

    Raises:
        NetworkError: the kernel refused it.
    """
    with _socket(name) as netlink:
        netlink.set_link(f"set the address of {name!r}", name, address=mac)


def set_master(name: str, master: str | None) -> None:
    """Make a link a port of a bridge, or of none.

    Raises:
        NetworkError: the kernel refused it.
    """
    with _socket(name) as netlink:
        what = f"make {name!r} a port of {master!r}"
        index = 0 if master is None else netlink.need(master, what)
        netlink.set_link(what, name, master=index)


def set_ns_pid(name: str, host_pid: int) -> None:
    """Move a link into the network namespace of a process.

    Raises:
        NetworkError: the kernel refused it; ``ESRCH`` if there is no such process.
    """
    with _socket(name) as netlink:
        what = f"move {name!r} to the namespace of {host_pid}"
        netlink.set_link(what, name, net_ns_pid=host_pid)


def set_ns_fd(name: str, namespace: int) -> None:
    """Move a link into a network namespace, an fd.

    Raises:
        NetworkError: the kernel refused it.
        OSError: *namespace* is not open.
    """
    os.fstat(namespace)
    with _socket(name) as netlink:
        netlink.set_link(f"move {name!r}", name, net_ns_fd=namespace)


def add_address(name: str, address: str) -> None:
    """Give a link an address with its prefix, ``10.0.0.2/24``.

    Raises:
        NetworkError: the kernel refused it; ``EEXIST`` if it has it.
        ValueError: it is no address.
    """
    with _socket(name) as netlink:
        netlink.add_address(netlink.need(name, f"add {address}"), address)


def add_route(
    destination: str,
    *,
    gateway: str | None = None,
    source: str | None = None,
    interface: str | None = None,
) -> None:
    """Add a route to the main table.

    Args:
        destination: a network, ``10.1.0.0/16``.
        gateway: the address it is reached by. None: directly.
        source: the address that packets are sent from. None: the kernel's choice.
        interface: the link they leave by. None: that of the gateway.

    Raises:
        NetworkError: the kernel refused it.
        ValueError: something is no address.
    """
    with _socket(*([] if interface is None else [interface])) as netlink:
        what = f"add the route to {destination}"
        index = None if interface is None else netlink.need(interface, what)
        netlink.add_route(
            what, destination=destination, gateway=gateway, source=source, index=index
        )


def add_default_gw(gateway: str, interface: str | None = None) -> None:
    """Send what has no other route to a gateway.

    Raises:
        NetworkError: the kernel refused it.
        ValueError: it is no address.
    """
    with _socket(*([] if interface is None else [interface])) as netlink:
        what = f"send everything else to {gateway}"
        index = None if interface is None else netlink.need(interface, what)
        netlink.add_route(what, destination=None, gateway=gateway, index=index)


def link_names() -> tuple[str, ...]:
    """Return the name of every link, by number."""
    with _socket() as netlink:
        found = sorted(netlink.links(), key=lambda link: int(link["index"]))
        return tuple(str(link["attrs"]["IFLA_IFNAME"]) for link in found)


__all__ = [
    "NetworkError",
    "add_address",
    "add_default_gw",
    "add_route",
    "create_bridge",
    "create_veth_pair",
    "link_add",
    "link_del",
    "link_names",
    "set_down",
    "set_mac",
    "set_master",
    "set_mtu",
    "set_name",
    "set_ns_fd",
    "set_ns_pid",
    "set_up",
]
