# SPDX-License-Identifier: Apache-2.0
"""Whether a launch was killed for want of memory; loaded when a helper has ended."""

from __future__ import annotations

from typing import Final

from libcontainer.cgroups.group import Group
from libcontainer.cgroups.parse import flat
from libcontainer.cgroups.values import read_value
from libcontainer.errors import HelperError

# Version 1 has no word for no limit: it is the largest number of whole pages.
_NO_LIMIT: Final = 1 << 62


def tell_if_starved(error: HelperError, group: Group) -> None:
    """Give an error a hint if something in a cgroup was killed for want of memory.

    Args:
        error: a helper ended before it was done.
        group: the cgroup that was made for it, which is still there.
    """
    directory = group.directory("memory")
    if directory is None:
        return
    v1 = f"{directory}/memory.oom_control", f"{directory}/memory.limit_in_bytes"
    v2 = f"{directory}/memory.events", f"{directory}/memory.max"
    for counters, limit in (v2, v1):
        try:
            kills, most = flat(read_value(counters)), read_value(limit).strip()
        except OSError:
            continue
        if kills.get("oom_kill", 0):
            error.hint = _hint(most)
        return


def _hint(most: str) -> str:
    if most.isdigit() and int(most) < _NO_LIMIT:
        return f"out of memory: the limit of {most} bytes is too small to start"
    return "out of memory: the limit of a cgroup above is too small to start"
