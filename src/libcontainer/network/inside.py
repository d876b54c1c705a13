# SPDX-License-Identifier: Apache-2.0
"""Acts in a container's network namespace for what netlink cannot do from outside.

A namespace is of a thread. The thread that enters one here has been made for
it, and ends right after: the program around us stays where it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from libcontainer.apart import apart
from libcontainer.bindings.setns import setns
from libcontainer.network._netlink import Netlink

T = TypeVar("T")

_CLONE_NEWNET: Final = 0x40000000


def in_namespace(namespace: int, work: Callable[[], T]) -> T:
    """Return what *work* returns in a network namespace, an fd.

    Needs CAP_SYS_ADMIN, on the host and over the namespace. See setns(2).
    """

    def run() -> T:
        setns(namespace, _CLONE_NEWNET)
        return work()

    return apart("network", run)


def netlink_in(namespace: int) -> Netlink:
    """Return a netlink socket in a network namespace, an fd."""
    return in_namespace(namespace, Netlink)


def write_parameters(namespace: int, values: Mapping[str, str]) -> None:
    """Write kernel parameters, paths below /proc/sys, in a network namespace.

    Raises:
        OSError: with the path.
    """

    def write() -> None:
        for name, value in values.items():
            # It shows the namespace of the thread that looks.
            path = f"/proc/sys/{name}"
            fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(fd, value.encode())
            finally:
                os.close(fd)

    in_namespace(namespace, write)
