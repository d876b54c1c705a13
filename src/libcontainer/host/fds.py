# SPDX-License-Identifier: Apache-2.0
"""File descriptors of the library: none of them is ever 0, 1 or 2.

A caller may have closed its standard descriptors. The kernel then hands out
those numbers, and a descriptor of ours could pass as somebody's standard input.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable

FIRST_FREE = 3


def above_stdio(fd: int) -> int:
    """Return *fd*, or its duplicate above 2 where it is a standard number."""
    if fd >= FIRST_FREE:
        return fd
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE)
    finally:
        os.close(fd)


def is_open(fd: int) -> bool:
    """Tell whether *fd* is an open descriptor of this process."""
    try:
        fcntl.fcntl(fd, fcntl.F_GETFD)
    except OSError:
        return False
    return True


def close_all(fds: Iterable[int]) -> None:
    """Close each of *fds*; one that is closed already is passed over.

    Nor does any other error matter: the kernel has let go of the descriptor.
    """
    for fd in fds:
        try:  # noqa: SIM105 - several times a launch, where an object costs more
            os.close(fd)
        except OSError:
            pass
