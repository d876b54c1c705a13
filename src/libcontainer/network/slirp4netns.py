# SPDX-License-Identifier: Apache-2.0
"""A user-mode network by slirp4netns(1): no right on the host is needed."""

from __future__ import annotations

import errno
import ipaddress
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from typing import Any, Final

from libcontainer.config.network import Port, Slirp4netns
from libcontainer.errors import NetworkError
from libcontainer.network.base import Companion, Context, LeavesNothing, Record
from libcontainer.network.usermode import owner_of, program_path

_READY: Final = 3
_SECONDS: Final = 10.0
_ANSWER: Final = 1 << 16
_GUEST: Final = 100


class Strategy(LeavesNothing):
    """See `Slirp4netns`."""

    def connect(self, network: Slirp4netns, record: Record, context: Context) -> None:
        """Start slirp4netns, and tell it which ports are published."""
        what = f"connect {network.name!r} by slirp4netns"
        path = program_path("slirp4netns", "slirp4netns", what)
        # Nobody else is let in, and nobody at all once the ports are open.
        folder = tempfile.mkdtemp(prefix="libcontainer-") if network.ports else None
        try:
            address = None if folder is None else f"{folder}/api"
            with owner_of(context.namespace) as user:
                fds = (context.namespace, user)
                program = (path, *_options(network, address), *_end(network, *fds))
                context.start(
                    Companion(what=what, program=program, ready=_READY, fds=fds)
                )
            if address is not None:
                for port in network.ports:
                    _publish(address, network, port)
        finally:
            if folder is not None:
                shutil.rmtree(folder)


def _options(network: Slirp4netns, api: str | None) -> Iterator[str]:
    yield from ("--configure", f"--ready-fd={_READY}", "--enable-seccomp")
    if os.geteuid() == 0:
        # Whoever is nobody special has no right to make one, and needs it less.
        yield "--enable-sandbox"
    if not network.host_loopback:
        # Else 10.0.2.2 leads to services on the host's 127.0.0.1.
        yield "--disable-host-loopback"
    if network.mtu:
        yield f"--mtu={network.mtu}"
    if network.subnet is not None:
        yield f"--cidr={network.subnet}"
    if network.ipv6:
        yield "--enable-ipv6"
    if api is not None:
        yield f"--api-socket={api}"


def _end(network: Slirp4netns, namespace: int, user: int) -> Iterator[str]:
    if os.geteuid() != 0:
        yield f"--userns-path=/proc/self/fd/{user}"
    yield from ("--netns-type=path", f"/proc/self/fd/{namespace}", network.name)


def _publish(api: str, network: Slirp4netns, port: Port) -> None:
    what = f"publish the port {port.host} of the host by slirp4netns"
    subnet = ipaddress.IPv4Network(network.subnet or "10.0.2.0/24")
    arguments = {
        "proto": port.protocol,
        "host_addr": port.address or "0.0.0.0",
        "host_port": port.host,
        "guest_addr": str(subnet[_GUEST]),
        "guest_port": port.container,
    }
    answer = _ask(api, {"execute": "add_hostfwd", "arguments": arguments}, what)
    if "error" in answer:
        hint = f"the program says: {answer['error'].get('desc')}"
        raise NetworkError(errno.EADDRINUSE, what, hint=hint)


def _ask(api: str, question: dict[str, Any], what: str) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX) as talk:
        talk.settimeout(_SECONDS)
        try:
            talk.connect(api)
            talk.sendall(json.dumps(question).encode())
            talk.shutdown(socket.SHUT_WR)
            found: dict[str, Any] = json.loads(talk.recv(_ANSWER))
        except (OSError, ValueError) as error:
            number = getattr(error, "errno", None) or errno.EIO
            raise NetworkError(number, what, hint=str(error)) from error
    return found
