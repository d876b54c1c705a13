# SPDX-License-Identifier: Apache-2.0
"""What user-mode networks share: a program, and the namespaces that it enters."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from typing import Final

from libcontainer.errors import UnsupportedError

_NS_GET_USERNS: Final = 0xB701


@contextlib.contextmanager
def owner_of(namespace: int) -> Iterator[int]:
    """Yield an fd of the user namespace that a network namespace belongs to.

    By way of ``/proc/PID`` nobody without privilege gets at it: what runs there
    cannot be looked at before it is the user's program. Source: ioctl_ns(2).
    """
    fd = fcntl.ioctl(namespace, _NS_GET_USERNS)
    try:
        yield fd
    finally:
        os.close(fd)


def program_path(name: str, package: str, what: str) -> str:
    """Return the path of a program.

    Raises:
        UnsupportedError: it is not installed.
    """
    path = shutil.which(name)
    if path is None:
        need = f"the program {name}, of the package {package}"
        raise UnsupportedError(what, need)
    return path
