# SPDX-License-Identifier: Apache-2.0
"""Acts in a container's network namespace for what netlink cannot do from outside.

A namespace is of a thread. The thread that enters one here has been made for
it, and ends right after: the program around us stays where it is.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from libcontainer.bindings.setns import setns
from libcontainer.network._netlink import Netlink

T = TypeVar("T")

_CLONE_NEWNET: Final = 0x40000000


def in_namespace(namespace: int, work: Callable[[], T]) -> T:
    """Return what *work* returns in a network namespace, an fd.

    Needs CAP_SYS_ADMIN, on the host and over the namespace. See setns(2).
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            setns(namespace, _CLONE_NEWNET)
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="libcontainer-network")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


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
