# SPDX-License-Identifier: Apache-2.0
"""Checks names of links, addresses and ports, wherever they stand."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Final, TypeVar

from libcontainer.config.network import Port
from libcontainer.config.report import Report, show

MAX_NAME: Final = 15
MAX_MTU: Final = 65535
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]+")
_PATTERN: Final = re.compile(r"[A-Za-z0-9_.-]*%d[A-Za-z0-9_.-]*")
_MAC: Final = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}")
# Words of /proc/sys/net/*/conf that are no links.
_TAKEN: Final = frozenset({".", "..", "all", "default", "lo"})


def link_name(
    report: Report, path: str, value: object, *, pattern: bool = False
) -> str | None:
    """Check for the name of a link; with *pattern* a ``%d`` may be in it."""
    text = report.text(path, value)
    if text is None:
        return None
    if len(text.encode()) > MAX_NAME:
        report.add(path, f"is longer than {MAX_NAME} bytes: {show(text)}")
    elif text in _TAKEN:
        report.add(path, f"cannot be the name of a link: {show(text)}")
    elif not (_NAME.fullmatch(text) or (pattern and _PATTERN.fullmatch(text))):
        report.add(path, f"must be letters, digits, '.', '_' and '-': {show(text)}")
    else:
        return text
    return None


Address = ipaddress.IPv4Address | ipaddress.IPv6Address
T = TypeVar("T")


def parsed(
    report: Report, path: str, value: object, parse: Callable[[str], T], wanted: str
) -> T | None:
    """Check for a text that *parse* takes; return what it makes of it."""
    text = report.text(path, value)
    if text is None:
        return None
    try:
        # A zone is of the host that looks, and means nothing in a container.
        found = None if "%" in text else parse(text)
    except ValueError:
        found = None
    if found is None:
        report.add(path, f"must be {wanted}, not {show(text)}")
    return found


def address_of(report: Report, path: str, value: object) -> Address | None:
    """Check for one address without a prefix."""
    wanted = "an IPv4 or IPv6 address"
    return parsed(report, path, value, ipaddress.ip_address, wanted)


def interface_address(report: Report, path: str, value: object) -> None:
    """Check for an address with the length of its prefix."""

    def parse(text: str) -> Address | None:
        return ipaddress.ip_interface(text).ip if "/" in text else None

    found = parsed(report, path, value, parse, "such as '10.0.0.2/24'")
    if found is not None and (found.is_multicast or found.is_unspecified):
        report.add(path, f"is no address of one host: {show(value)}")


def network_of(report: Report, path: str, value: object) -> int | None:
    """Check for a network; return the version of its address."""

    def parse(text: str) -> int:
        return ipaddress.ip_network(text, strict=False).version

    return parsed(report, path, value, parse, "such as '192.0.2.0/24'")


def mac_of(report: Report, path: str, value: object) -> None:
    """Check for the hardware address of one link."""
    text = report.text(path, value)
    if text is None:
        return
    if not _MAC.fullmatch(text):
        report.add(path, f"must be such as '02:00:00:00:00:01', not {show(text)}")
    elif int(text[:2], 16) & 1 or not int(text.replace(":", ""), 16):
        report.add(path, f"is no address of one link: {show(text)}")


def check_ports(report: Report, path: str, ports: object) -> None:
    """Check published ports."""
    seen = set()
    for at, port in report.items(path, ports):
        found = report.instance(at, port, Port)
        if found is None:
            continue
        report.integer(f"{at}.host", found.host, 1, 65535)
        report.integer(f"{at}.container", found.container, 1, 65535)
        report.word(f"{at}.protocol", found.protocol, ("tcp", "udp"))
        if found.address is not None:
            address_of(report, f"{at}.address", found.address)
        key = show((found.host, found.protocol, found.address))
        if key in seen:
            report.add(at, "is published twice")
        seen.add(key)
