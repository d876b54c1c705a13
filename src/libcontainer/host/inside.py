# SPDX-License-Identifier: Apache-2.0
"""Opens what is in a running container, from the host."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from libcontainer.bindings.openat2 import Resolve, openat2
from libcontainer.host.children import has_ended
from libcontainer.host.fds import above_stdio
from libcontainer.host.processref import ProcessRef


@contextlib.contextmanager
def open_inside(init: ProcessRef, path: str) -> Iterator[int]:
    """Open a directory of the container of a process for a block.

    Args:
        init: the process.
        path: of the directory, relative to its root; no part may be a symlink.

    Raises:
        ProcessLookupError: the process has ended.
        OSError: it is not there, or a part of it is a symlink (``ELOOP``).

    Needs the right to trace the process (ptrace(2)).
    """
    root = os.open(f"/proc/{init.host_pid}/root", os.O_PATH | os.O_CLOEXEC)
    try:
        if has_ended(init.pidfd):
            # The number may have come to mean another process.
            message = f"process {init.host_pid} has ended"
            raise ProcessLookupError(message)
        flags = os.O_PATH | os.O_DIRECTORY
        resolve = Resolve.IN_ROOT | Resolve.NO_SYMLINKS | Resolve.NO_MAGICLINKS
        fd = above_stdio(openat2(root, path, flags, resolve=resolve))
    finally:
        os.close(root)
    try:
        yield fd
    finally:
        os.close(fd)
