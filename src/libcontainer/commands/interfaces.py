# SPDX-License-Identifier: Apache-2.0
"""Prints the network interfaces of the network namespace it runs in.

The table of ``nsinit exec --func ip``, in its columns of 2014.
"""

from __future__ import annotations

import sys
from typing import Any

from libcontainer.network._netlink import Netlink

_FLAGS = (
    (0x1, "up"),
    (0x2, "broadcast"),
    (0x8, "loopback"),
    (0x10, "pointtopoint"),
    (0x1000, "multicast"),
)
_HEADS = ("NAME", "MTU", "MAC", "FLAG", "ADDRS")


def main() -> int:
    """Print the table; return the exit status."""
    rows = [_HEADS, *_rows()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
    return 0


def _rows() -> list[tuple[str, ...]]:
    with Netlink() as netlink:
        return [
            _row(link, netlink.addresses(link["index"], every=True))
            for link in netlink.links()
        ]


def _row(link: dict[str, Any], addresses: list[str]) -> tuple[str, ...]:
    attributes = link["attrs"]
    flags = "|".join(name for bit, name in _FLAGS if link["flags"] & bit)
    return (
        attributes["IFLA_IFNAME"],
        str(attributes["IFLA_MTU"]),
        attributes.get("IFLA_ADDRESS") or "",
        flags,
        ",".join(addresses),
    )


if __name__ == "__main__":
    sys.exit(main())
