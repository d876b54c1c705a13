# SPDX-License-Identifier: Apache-2.0
"""Prints the network interfaces of the network namespace it runs in.

The table of ``nsinit exec --func ip``, in its columns of 2014.
"""

from __future__ import annotations

import sys
from typing import Any

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
    # Slow to import, and needed by nothing else of the command.
    from pyroute2 import IPRoute  # noqa: PLC0415

    with IPRoute() as route:
        addresses: dict[int, list[str]] = {}
        for message in route.get_addr():
            text = f"{message.get_attr('IFA_ADDRESS')}/{message['prefixlen']}"
            addresses.setdefault(message["index"], []).append(text)
        return [
            _row(link, addresses.get(link["index"], [])) for link in route.get_links()
        ]


def _row(link: Any, addresses: list[str]) -> tuple[str, ...]:  # noqa: ANN401
    flags = "|".join(name for bit, name in _FLAGS if link["flags"] & bit)
    return (
        link.get_attr("IFLA_IFNAME"),
        str(link.get_attr("IFLA_MTU")),
        link.get_attr("IFLA_ADDRESS") or "",
        flags,
        ",".join(addresses),
    )


if __name__ == "__main__":
    sys.exit(main())
