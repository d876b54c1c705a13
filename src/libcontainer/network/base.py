# SPDX-License-Identifier: Apache-2.0
"""What a network strategy is, for those that write one.

A strategy has three verbs, and no memory: what it leaves on the host is told by
its *record*, which is in the container's ``state.json`` before any of it is
made. So whoever deletes the container, another program after a crash too, can
remove all of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Protocol

from attrs import define

from libcontainer.network._netlink import Netlink

Record = Mapping[str, Any]
"""JSON values: names of links on the host, of tables, and the like."""

_DIGITS = 8


@define
class Context:
    """What a strategy acts with.

    Attributes:
        container_id: the container's id.
        pid: of a process in the container's network namespace, as the caller
            sees it; it waits until all strategies are done.
        host: netlink socket in the caller's network namespace.
        inside: netlink socket in the container's.
        namespace: fd of the container's network namespace.
    """

    container_id: str
    pid: int
    host: Netlink
    inside: Netlink
    namespace: int


class NetworkStrategy(Protocol):
    """Connects containers to one kind of network.

    `record` is pure. `connect` may fail at any point and cleans nothing up:
    `disconnect` of the record is called then, as at the container's end.
    """

    def record(self, network: Any, container_id: str, number: int) -> Record:  # noqa: ANN401
        """Return what `disconnect` needs to know; nothing is made.

        Args:
            network: an object of `libcontainer.config.network`.
            container_id: the container's id.
            number: place of *network* among the container's networks.
        """

    def connect(self, network: Any, record: Record, context: Context) -> None:  # noqa: ANN401
        """Connect the container.

        Raises:
            NetworkError: with the kernel's words.
        """

    def disconnect(self, record: Record, host: Netlink, namespace: int | None) -> None:
        """Remove what `connect` has made; what is not there is no error.

        Args:
            record: of the same container and network.
            host: netlink socket in the caller's network namespace.
            namespace: fd of the container's network namespace, or None if it is
                gone.
        """


def host_link(prefix: str, container_id: str, number: int) -> str:
    """Return the name of a link on the host, the same for the same container."""
    digest = hashlib.sha256(f"{container_id}\0{number}".encode())
    return f"{prefix}{digest.hexdigest()[:_DIGITS]}"
