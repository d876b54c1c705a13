# SPDX-License-Identifier: Apache-2.0
"""A proxy that is the only way out; it decides by the names of hosts.

It is a process of its own, because it has to live as long as the container and reads
what the container says. The container has no link: the proxy's socket was opened in
its namespace and is served from the host's.
"""

from __future__ import annotations

import json
import os
import socket
import sys

from libcontainer.config.network import Proxy
from libcontainer.errors import NetworkError
from libcontainer.network import proxyd
from libcontainer.network.base import Companion, Context, LeavesNothing, Record

_BACKLOG = 64


class Strategy(LeavesNothing):
    """See `Proxy`."""

    def connect(self, network: Proxy, record: Record, context: Context) -> None:
        """Listen inside, and start what answers."""
        what = f"start the proxy on port {network.port}"
        # The address is there once the link is up.
        context.inside.set_link(f"{what}: take 'lo' up", "lo", up=True)
        _listen(context.socket, network.port, what)
        rules = _rules(network)
        try:
            program = (sys.executable, "-I", "-S", proxyd.__file__, str(context.socket))
            fds = (context.socket,)
            context.start(Companion(what=what, program=program, stdin=rules, fds=fds))
        finally:
            os.close(rules)


def _listen(fd: int, port: int, what: str) -> None:
    listener = socket.socket(fileno=fd)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(_BACKLOG)
    except OSError as error:
        raise NetworkError(error.errno or 0, what) from error
    finally:
        listener.detach()  # It is somebody else's to close.


def _rules(network: Proxy) -> int:
    """Return an fd that the rules can be read from."""
    fd = os.memfd_create("libcontainer-rules", os.MFD_CLOEXEC)
    rules = {
        "names": network.names,
        "networks": network.networks,
        "ports": network.target_ports,
    }
    with open(fd, "w", closefd=False) as file:
        json.dump(rules, file)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
