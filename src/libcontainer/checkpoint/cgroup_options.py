# SPDX-License-Identifier: Apache-2.0
"""The options of cgroup v2, which are the machine's and not those of one mount.

CRIU mounts v2 for itself, without any. From the first cgroup namespace such a mount
takes ``nsdelegate``, ``memory_recursiveprot`` and their like away from the whole
machine (cgroups(7)), and nothing but this puts them back.
"""

from __future__ import annotations

import os
from typing import Final

from libcontainer.bindings.fsopen import (
    fsconfig_reconfigure,
    fsconfig_set_flag,
    fspick,
)
from libcontainer.cgroups.hierarchy import read_hierarchies

# Of every file system, not of this one; a security module's has a value.
_COMMON: Final = frozenset({"rw", "ro", "seclabel"})


def read_options() -> frozenset[str]:
    """Return the options that v2 has now; none where it is not mounted.

    Raises:
        OSError: /proc cannot be read.
    """
    with open("/proc/self/mountinfo", "rb") as file:
        return parse_options(os.fsdecode(file.read()))


def parse_options(mountinfo: str) -> frozenset[str]:
    """Return the options of v2 that a text of mountinfo tells."""
    for line in mountinfo.split("\n"):
        kind, _, rest = line.partition(" - ")[2].partition(" ")
        if kind == "cgroup2":
            words = rest.rpartition(" ")[2].split(",")
            return frozenset(word for word in words if "=" not in word) - _COMMON
    return frozenset()


def restore_options(options: frozenset[str]) -> None:
    """Give v2 its options again, if any of them is lost.

    Args:
        options: what `read_options` has returned.

    Raises:
        OSError: the kernel refused it. Needs CAP_SYS_ADMIN and Linux 5.2.
    """
    unified = read_hierarchies().unified
    found = read_options()
    if unified is None or options <= found:
        return
    context = fspick(unified.mount_point)
    try:
        # What is not named is switched off.
        for option in sorted(options | found):
            fsconfig_set_flag(context, option)
        fsconfig_reconfigure(context)
    finally:
        os.close(context)
