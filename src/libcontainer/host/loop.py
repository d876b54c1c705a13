# SPDX-License-Identifier: Apache-2.0
"""Waiting for descriptors under asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable


async def any_readable(fds: Iterable[int]) -> None:
    """Wait until one of *fds* is readable; they stay the caller's."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Event = asyncio.Event()
    watched = list(fds)
    try:
        for fd in watched:
            loop.add_reader(fd, ready.set)
        await ready.wait()
    finally:
        for fd in watched:
            loop.remove_reader(fd)
