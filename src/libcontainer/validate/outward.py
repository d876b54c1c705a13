# SPDX-License-Identifier: Apache-2.0
"""Checks networks that are a program beside the container."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from libcontainer.config.network import Port, Proxy, Slirp4netns, UserMode
from libcontainer.config.report import Report, show
from libcontainer.validate.addresses import (
    MAX_MTU,
    check_ports,
    link_name,
    network_of,
    parsed,
)

_SLIRP_PREFIX: Final = 25
_FIRST_PORT: Final = 1024
_MAX_DOMAIN: Final = 253
# The last label begins with a letter: nothing that could be read as an address.
_DOMAIN: Final = re.compile(
    r"(\*\.)?([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)*[a-z]([a-z0-9-]*[a-z0-9])?",
    re.IGNORECASE | re.ASCII,
)


def check_user_mode(report: Report, path: str, network: UserMode) -> None:
    """Check what all of them have."""
    link_name(report, f"{path}.name", network.name)
    if network.mtu not in {None, 0}:
        report.integer(f"{path}.mtu", network.mtu, 68, MAX_MTU)
    check_ports(report, f"{path}.ports", network.ports)
    report.boolean(f"{path}.host_loopback", network.host_loopback)


def check_slirp4netns(report: Report, path: str, network: Slirp4netns) -> None:
    """Check one, with all that it has."""
    check_user_mode(report, path, network)
    report.boolean(f"{path}.ipv6", network.ipv6)
    for at, port in report.items(f"{path}.ports", network.ports):
        if isinstance(port, Port) and ":" in str(port.address):
            report.add(f"{at}.address", "slirp4netns publishes on IPv4 alone")
    if network.subnet is not None:

        def parse(text: str) -> ipaddress.IPv4Network | None:
            found = ipaddress.IPv4Network(text)
            return found if found.prefixlen <= _SLIRP_PREFIX else None

        at = f"{path}.subnet"
        wanted = f"an IPv4 network of at most /{_SLIRP_PREFIX}"
        parsed(report, at, network.subnet, parse, wanted)


def check_proxy(report: Report, path: str, proxy: Proxy) -> None:
    """Check one."""
    for at, name in report.items(f"{path}.names", proxy.names):
        _domain(report, at, name)
    for at, network in report.items(f"{path}.networks", proxy.networks):
        network_of(report, at, network)
    ports = report.items(f"{path}.target_ports", proxy.target_ports)
    for at, port in ports:
        report.integer(at, port, 1, 65535)
    if not ports:
        report.add(f"{path}.target_ports", "leaves nothing that could be reached")
    # Below, the socket would need a right over the namespace.
    report.integer(f"{path}.port", proxy.port, _FIRST_PORT, 65535)


def _domain(report: Report, path: str, name: object) -> None:
    text = report.text(path, name)
    if text is None:
        return
    if len(text) > _MAX_DOMAIN or not _DOMAIN.fullmatch(text):
        wanted = "such as 'example.org' or '*.example.org'"
        report.add(path, f"must be {wanted}, not {show(text)}")
