# SPDX-License-Identifier: Apache-2.0
"""A user-mode network by pasta(1): no right on the host is needed."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

from libcontainer.config.network import Pasta, Port
from libcontainer.errors import NetworkError
from libcontainer.network.base import Companion, Context, LeavesNothing, Record
from libcontainer.network.usermode import owner_of, program_path


class Strategy(LeavesNothing):
    """See `Pasta`."""

    def connect(self, network: Pasta, record: Record, context: Context) -> None:
        """Start pasta; it makes the link, with the addresses of the host."""
        what = f"connect {network.name!r} by pasta"
        path = program_path("pasta", "passt", what)
        for port in network.ports:
            _check_free(port)
        # The namespace is its standard input: later versions close every other
        # descriptor, and as root it has no right to open that of a process.
        with owner_of(context.namespace) as user:
            program = (path, *_options(network), *_namespaces(user))
            wanted = Companion(what=what, program=program, stdin=context.namespace)
            context.start(wanted)


def _check_free(port: Port) -> None:
    """Refuse a port that is taken: pasta may go on without it and say nothing.

    Raises:
        NetworkError: it cannot be bound.
    """
    kind = socket.SOCK_STREAM if port.protocol == "tcp" else socket.SOCK_DGRAM
    address = port.address or "0.0.0.0"
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, kind) as probe:
        # As pasta does it.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port.host))
            if kind == socket.SOCK_STREAM:
                probe.listen()
        except OSError as error:
            what = f"publish the port {port.host} of the host by pasta"
            raise NetworkError(error.errno or 0, what) from error


def _options(network: Pasta) -> Iterator[str]:
    yield from ("--foreground", "--quiet", "--config-net")
    yield from ("--ns-ifname", network.name, "--pid", "/proc/self/fd/1")
    if not network.host_loopback:
        # Else the gateway's address leads to services on the host's 127.0.0.1.
        yield "--no-map-gw"
    if network.mtu:
        yield from ("--mtu", str(network.mtu))
    # Unless told otherwise it forwards whatever port somebody listens on.
    yield from ("--tcp-ns", "none", "--udp-ns", "none")
    for option, protocol in (("--tcp-ports", "tcp"), ("--udp-ports", "udp")):
        ports = [port for port in network.ports if port.protocol == protocol]
        for spec in [_spec(port) for port in ports] or ["none"]:
            yield from (option, spec)


def _spec(port: Port) -> str:
    at = "" if port.address is None else f"{port.address}/"
    return f"{at}{port.host}:{port.container}"


def _namespaces(user: int) -> Iterator[str]:
    if os.geteuid() == 0:
        # It would become "nobody", who may not enter the namespace.
        yield from ("--runas", "0:0", "--netns-only")
    else:
        yield from ("--userns", f"/proc/{os.getpid()}/fd/{user}")
    yield from ("--netns", "/proc/self/fd/0")
