# SPDX-License-Identifier: Apache-2.0
"""What a network strategy is, for those that write one.

A strategy has three verbs, and no memory: what it leaves on the host is told by
its *record*, which is in the container's ``state.json`` before any of it is
made. So whoever deletes the container, another program after a crash too, can
remove all of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from attrs import define, frozen

from libcontainer.network._netlink import Netlink

Record = Mapping[str, Any]
"""JSON values: names of links on the host, of tables, and the like."""

_DIGITS = 8


@frozen(kw_only=True)
class Companion:
    """A program of the host that runs beside a container, as long as init does.

    It has no descriptors but those named here, and ``PATH`` alone as environment;
    its outputs are kept for an error until it is ready.

    Attributes:
        what: what it is for, for an error.
        program: its arguments; the first is its path on the host.
        ready: number of the descriptor that it writes something to once it is ready.
        stdin: fd that is its standard input, -1 for ``/dev/null``.
        fds: further ones, under the numbers that they have here.
    """

    what: str
    program: tuple[str, ...]
    ready: int = 1
    stdin: int = -1
    fds: tuple[int, ...] = ()


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
        socket: fd of a TCP socket in that namespace, for a network whose class says
            ``has_socket``; else -1. It is closed when `connect` returns.
        start: starts a companion and waits until it is ready. The container's state
            has it, and whoever deletes the container ends it: there is nothing to do
            in `disconnect`.
    """

    container_id: str
    pid: int
    host: Netlink
    inside: Netlink
    namespace: int
    start: Callable[[Companion], None]
    socket: int = -1


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


class LeavesNothing:
    """What a strategy inherits that has nothing on the host but companions."""

    def record(self, network: Any, container_id: str, number: int) -> Record:  # noqa: ANN401
        """Return the name of the link inside, if it has one."""
        name = getattr(network, "name", None)
        return {} if name is None else {"inside": name}

    def disconnect(self, record: Record, host: Netlink, namespace: int | None) -> None:
        """Do nothing: it goes with the namespace, or ends with init."""


def host_link(prefix: str, container_id: str, number: int) -> str:
    """Return the name of a link on the host, the same for the same container."""
    digest = hashlib.sha256(f"{container_id}\0{number}".encode())
    return f"{prefix}{digest.hexdigest()[:_DIGITS]}"
