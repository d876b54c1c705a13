# SPDX-License-Identifier: Apache-2.0
"""What can be watched of a cgroup. Pure data."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final

from attrs import frozen

from libcontainer.config.report import show
from libcontainer.errors import ConfigError, Problem

RESOURCES: Final = ("cpu", "memory", "io", "irq")
LEVELS: Final = ("low", "medium", "critical")
MODES: Final = ("default", "hierarchy", "local")
# Bounds of the kernel: psi.rst.
_WINDOW: Final = (500_000, 10_000_000)
UNPRIVILEGED_WINDOW_US: Final = 2_000_000


class EventKind(enum.StrEnum):
    """What an event is about."""

    OOM = "oom"
    """Out of memory. v2: processes were killed, *value* counts them so far. v1: it
    is told as it happens, so *value* may not count the kill yet."""
    MEMORY = "memory"
    """A counter of ``memory.events`` rose: *name* is ``low``, ``high``, ``max``,
    ``oom`` or ``oom_group_kill``, *value* what it is now; v2 alone."""
    LEVEL = "level"
    """Pressure on memory has reached the level *name*; v1 alone."""
    PRESSURE = "pressure"
    """Processes have waited as long as a `PressureTrigger` says; *name* is its text."""
    POPULATED = "populated"
    """*value* is 1 once there are processes, 0 once there are none; v2 alone."""
    FROZEN = "frozen"
    """*value* is 1 once all have stopped, 0 once they go on; v2 alone."""


@frozen(kw_only=True)
class CgroupEvent:
    """Something that has happened to a cgroup.

    Attributes:
        kind: what it is about; says also what the others mean.
        name: which one, where there are several.
        value: what is counted now, or 0 and 1.
    """

    kind: EventKind
    name: str = ""
    value: int = 0


@frozen
class PressureTrigger:
    """Tells when processes have had to wait too long for a resource (PSI).

    At most one event comes in a window of time. Source: psi.rst of the kernel.
    """

    resource: str
    """``cpu``, ``memory``, ``io`` or ``irq``."""
    kind: str = "some"
    """``some``: any process had to wait; ``full``: all had to at once."""
    stall_us: int = 150_000
    """How long they waited within the window, in microseconds."""
    window_us: int = 2_000_000
    """The window, 500,000 to 10,000,000 microseconds; of a caller without
    CAP_SYS_RESOURCE a multiple of 2,000,000."""
    scope: str = "auto"
    """``cgroup``, ``system`` (the whole machine) or ``auto``: the machine where the
    cgroup has no such files, as on v1."""

    def __str__(self) -> str:
        return f"{self.resource} {self.kind} {self.stall_us} {self.window_us}"


@frozen
class MemoryLevel:
    """Tells when pressure on memory reaches a level; v1 alone.

    Source: cgroup-v1/memory.rst of the kernel.
    """

    level: str
    """``low``, ``medium`` or ``critical``."""
    mode: str = "default"
    """Of pressure in sub-cgroups: ``default`` tells unless somebody there was told,
    ``hierarchy`` always, ``local`` never."""

    def __str__(self) -> str:
        return self.level


Wanted = str | PressureTrigger | MemoryLevel

_WORDS: Final = (
    EventKind.OOM,
    EventKind.MEMORY,
    EventKind.POPULATED,
    EventKind.FROZEN,
)


def check_wanted(wanted: Iterable[object]) -> tuple[Wanted, ...]:
    """Return what is to be watched, if it can be.

    Raises:
        ConfigError: all that is wrong with it.
    """
    problems: list[Problem] = []
    found: list[Wanted] = []
    for number, one in enumerate(wanted):
        path = f"events[{number}]"
        if isinstance(one, PressureTrigger):
            problems += _trigger_problems(path, one)
            found.append(one)
        elif isinstance(one, MemoryLevel):
            problems += _one_of(f"{path}.level", one.level, LEVELS)
            problems += _one_of(f"{path}.mode", one.mode, MODES)
            found.append(one)
        else:
            problems += _one_of(path, one, _WORDS)
            found.append(str(one))
    if problems:
        raise ConfigError(problems)
    return tuple(found)


def _one_of(path: str, value: object, words: Iterable[str]) -> list[Problem]:
    if isinstance(value, str) and value in tuple(words):
        return []
    return [Problem(path, f"must be one of {', '.join(words)}, not {show(value)}")]


def _trigger_problems(path: str, one: PressureTrigger) -> list[Problem]:
    problems = _one_of(f"{path}.resource", one.resource, RESOURCES)
    kinds = ("full",) if one.resource == "irq" else ("some", "full")
    problems += _one_of(f"{path}.kind", one.kind, kinds)
    problems += _one_of(f"{path}.scope", one.scope, ("auto", "cgroup", "system"))
    low, high = _WINDOW
    if not isinstance(one.window_us, int) or not low <= one.window_us <= high:
        rule = f"must be {low} to {high}, not {show(one.window_us)}"
        problems.append(Problem(f"{path}.window_us", rule))
    elif not isinstance(one.stall_us, int) or not 0 < one.stall_us <= one.window_us:
        rule = f"must be 1 to window_us, not {show(one.stall_us)}"
        problems.append(Problem(f"{path}.stall_us", rule))
    return problems
