# SPDX-License-Identifier: Apache-2.0
"""Limits how much the host sends into a container: a token bucket (tc-tbf(8)).

What comes out of it is limited by a rule (`libcontainer.network.firewall`).
"""

from __future__ import annotations

from typing import Final

from libcontainer.network._netlink import NEW_QDISC, Netlink

_ROOT: Final = 0xFFFFFFFF
_HANDLE: Final = 0x10000
_LATENCY_SECONDS: Final = 0.05
MIN_BURST: Final = 128 * 1024
"""More than the largest packet that segmentation in hardware hands over."""


def burst_of(rate: int) -> int:
    """Return how many bytes may go at once where *rate* a second may go."""
    return max(MIN_BURST, rate // 100)


def limit(host: Netlink, index: int, rate: int) -> None:
    """Limit what a link of the host sends.

    Args:
        host: socket in the caller's namespace.
        index: number of the link.
        rate: bytes a second.

    Raises:
        NetworkError: the kernel refused it.
    """
    burst = burst_of(rate)
    parameters = {
        "rate": rate,
        "limit": int(rate * _LATENCY_SECONDS) + burst,
        # How long a burst takes, in the kernel's units of 64 ns.
        "buffer": min(2**32 - 1, burst * 1_000_000_000 // rate >> 6),
    }
    options = [("TCA_TBF_PARMS", parameters), ("TCA_TBF_BURST", burst)]
    host.traffic(
        f"limit what goes in to {rate} bytes a second",
        NEW_QDISC,
        {"index": index, "parent": _ROOT, "handle": _HANDLE},
        [("TCA_KIND", "tbf"), ("TCA_OPTIONS", {"attrs": options})],
    )
