# SPDX-License-Identifier: Apache-2.0
"""An init process that is dead, and cannot end before others have been reaped.

On its way out the first process of a pid namespace ends all others of it, and waits in
the kernel until each has been reaped by its parent. That of a further process is the
program that made it, which may wait for it late, or never.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from libcontainer.host.children import kill_and_reap
from libcontainer.host.processref import ProcessRef
from libcontainer.host.procstat import is_exiting

_LOOK_SECONDS = 0.5


def end_init(init: ProcessRef, *, timeout: float) -> bool:
    """End an init process; tell whether nothing of its pid namespace runs any more.

    Args:
        init: what is ended.
        timeout: seconds after which it is given up.
    """
    deadline = time.monotonic() + timeout
    while not kill_and_reap(init.pidfd, timeout=_LOOK_SECONDS):
        # It has not ended, so its pid is still its own.
        if _waits_for_zombies(init.host_pid):
            return True
        if time.monotonic() >= deadline:
            return False
    return True


def _waits_for_zombies(host_pid: int) -> bool:
    """Tell whether no process of an init's pid namespace runs its program any more."""
    if not _is_dead(str(host_pid)):
        return False
    namespace = _namespace(str(host_pid))
    return namespace is not None and all(map(_is_dead, _members(namespace)))


def _members(namespace: str) -> Iterator[str]:
    # What we may not look at is not of a container of ours.
    return (
        p for p in os.listdir("/proc") if p.isdigit() and _namespace(p) == namespace
    )


def _namespace(pid: str) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None


def _is_dead(pid: str) -> bool:
    """Tell whether every thread of a process is gone, or on its way out."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return True
    # A thread has a folder of its own in /proc, which no list shows.
    return all(is_exiting(int(thread)) for thread in threads)
