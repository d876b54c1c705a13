# SPDX-License-Identifier: Apache-2.0
"""Standard streams that the caller has closed: what a program does about them first.

The kernel gives their numbers to whatever is opened next. That would then pass for a
standard stream, and become one of the container's.
"""

from __future__ import annotations

import os
import sys

_LAST = 2


def fill() -> None:
    """Open the null device on each of 0, 1 and 2 that is closed.

    Python has no stream where one was closed when it started; these get one.
    """
    fd = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    while fd <= _LAST:
        os.set_inheritable(fd, True)
        fd = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.close(fd)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - it ends with us
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - it ends with us
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115 - it ends with us
