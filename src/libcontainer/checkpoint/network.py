# SPDX-License-Identifier: Apache-2.0
"""Networks of a restored container: made anew, by their own strategies.

CRIU leaves a network namespace that it is told is external as it is. So the new one
is made on the stage, the container's networks are connected to it as at a launch,
with the addresses that the connections of the image want, and CRIU puts the
processes into it.
"""

from __future__ import annotations

import os
import socket
from contextlib import closing
from typing import Final

from attrs import define

from libcontainer.config import Config, NamespaceType
from libcontainer.host.namespaces import open_namespace as open_checked
from libcontainer.network._netlink import Netlink
from libcontainer.network.firewall import make_lock, remove_table
from libcontainer.network.inside import in_namespace
from libcontainer.network.runner import NetworkRunner
from libcontainer.plan.network import AddRoute, ConnectNetwork, has_loopback

KEY: Final = "libcontainer-net"
_LOCK: Final = "libcontainer-restore"
_LOOPBACK: Final = 1


def is_external(config: Config) -> bool:
    """Tell whether the network namespace is made, or found, by us and not by CRIU."""
    joined = any(kind is NamespaceType.NETWORK for kind, _ in config.namespace_paths)
    return bool(joined or config.networks or config.routes)


def open_namespace(config: Config) -> int:
    """Open the network namespace of a container that is restored.

    It is the one that the configuration joins, else that of the calling thread.

    Raises:
        OSError: there is no such namespace.
    """
    paths = (p for kind, p in config.namespace_paths if kind is NamespaceType.NETWORK)
    path = next(paths, None)
    if path is not None:
        return open_checked(path, NamespaceType.NETWORK.clone_flag)
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


@define
class Entered:
    """What `NetworkRunner` looks at of a launch.

    Attributes:
        sent: a netlink socket of the namespace; the runner takes it.
        criu: host pid of CRIU, which is in the namespace.
    """

    sent: list[int]
    criu: int

    @property
    def at_work(self) -> tuple[int, int]:
        """(-1, host pid) of a process in the namespace."""
        return -1, self.criu


def open_socket(criu: int) -> Entered:
    """Open a netlink socket in the calling thread's network namespace.

    Args:
        criu: host pid of CRIU, started by this thread.
    """
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    sent = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE).detach()
    return Entered([sent], criu)


def connect(config: Config, runner: NetworkRunner, entered: Entered) -> None:
    """Connect every network of a container, as its launch has done.

    Raises:
        NetworkError: one failed; `NetworkRunner.undo` has to follow.
    """
    if has_loopback(config):
        with closing(Netlink(os.dup(entered.sent[0]))) as inside:
            inside.set_link("set 'lo' up", _LOOPBACK, up=True)
    for number, network in enumerate(config.networks):
        if network.kind != "loopback":
            runner(entered, ConnectNetwork(number, network))
    for number, route in enumerate(config.routes):
        runner(entered, AddRoute(number, route))


def lock(namespace: int) -> None:
    """Let nothing in or out of a network namespace, an fd.

    Before a connection is back, the kernel would answer its peer with a reset.

    Raises:
        NetworkError: nft refused it.
        UnsupportedError: there is no nft.
    """
    in_namespace(namespace, lambda: make_lock(_LOCK))


def unlock(namespace: int) -> None:
    """Take back what `lock` has done.

    Raises:
        NetworkError: nft refused it.
    """
    in_namespace(namespace, lambda: remove_table(_LOCK))
