# SPDX-License-Identifier: Apache-2.0
"""A process that may open only a few files more."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator

_ROOM = 5


@contextlib.contextmanager
def few_files(count: int) -> Iterator[None]:
    """Let the block open *count* files at once, and no more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    limit = highest + 1 + count + _ROOM
    held: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                held.append(os.dup(2))
        for _ in range(count):
            os.close(held.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in held:
            os.close(fd)
