# SPDX-License-Identifier: Apache-2.0
"""Files of one process in /proc, and of no other that came to have its pid."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

from libcontainer.host.children import has_ended

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


@contextlib.contextmanager
def process_directory(host_pid: int, pidfd: int) -> Iterator[int]:
    """Open ``/proc/PID`` for a block, while the pidfd says it is that process.

    Raises:
        ProcessLookupError: the process has ended.
    """
    directory = os.open(f"/proc/{host_pid}", _DIRECTORY)
    try:
        if has_ended(pidfd):
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        yield directory
    finally:
        os.close(directory)


def write_once(directory: int, name: str, text: str) -> None:
    """Write to a file that takes one write(2) only."""
    fd = os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=directory)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def read_text(directory: int, name: str) -> str:
    """Return what a file of the process says."""
    fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    with open(fd) as file:
        return file.read()
