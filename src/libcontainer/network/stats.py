# SPDX-License-Identifier: Apache-2.0
"""Counters of a container's links, as the container sees them.

1.2.0 read the host's end of a pair, and swapped what it received and sent. The
view of a process inside is the same, and there for every kind of link.
"""

from __future__ import annotations

from attrs import frozen

_FIELDS = 12


@frozen
class InterfaceStats:
    """Counters of one link, from when it was made.

    Attributes:
        rx_bytes: received by the container.
        rx_packets: the same in packets.
        rx_errors: packets that came broken.
        rx_dropped: packets received that there was no room for.
        tx_bytes: sent by the container.
        tx_packets: the same in packets.
        tx_errors: packets that could not be sent.
        tx_dropped: packets not sent for lack of room.
    """

    rx_bytes: int
    rx_packets: int
    rx_errors: int
    rx_dropped: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
    tx_dropped: int


def read_interface_stats(pid: int) -> dict[str, InterfaceStats]:
    """Return the counters of each link in the network namespace of a process.

    Source: proc_pid_net(5), ``dev``.

    Raises:
        OSError: it has ended.
    """
    with open(f"/proc/{pid}/net/dev", encoding="ascii", errors="replace") as file:
        return parse_net_dev(file.read())


def parse_net_dev(text: str) -> dict[str, InterfaceStats]:
    """Return what a ``net/dev`` says; two lines of heads come first."""
    found = {}
    for line in text.splitlines()[2:]:
        name, _, rest = line.rpartition(":")
        numbers = [int(word) for word in rest.split()]
        if len(numbers) >= _FIELDS:
            found[name.strip()] = InterfaceStats(*numbers[:4], *numbers[8:12])
    return found
