# SPDX-License-Identifier: Apache-2.0
"""Cgroups: limits, measures, events and the freezer of a group of processes.

A program may use this without a container: `Cgroup` is public, as are `Resources` and
what it returns. Everything else here is a part of the library:

``hierarchy`` finds what the machine has, ``v1`` and ``v2`` turn `Resources` into
files (pure), ``group`` acts on the directories of one cgroup, ``reader`` measures it
and ``events`` follows it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from libcontainer.cgroups.cgroup import Cgroup

__all__ = ["Cgroup"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name == "Cgroup":
            from libcontainer.cgroups.cgroup import Cgroup  # noqa: PLC0415

            return Cgroup
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
