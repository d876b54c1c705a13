# SPDX-License-Identifier: Apache-2.0
"""Checks of when and where a process runs, and where its memory comes from."""

from __future__ import annotations

from typing import Final

from libcontainer.config.memory import (
    MEMORY_FLAGS,
    MEMORY_MODES,
    PERSONALITY_DOMAINS,
    PERSONALITY_FLAGS,
    MemoryPolicy,
    Personality,
)
from libcontainer.config.model import Config
from libcontainer.config.numbers import parse_numbers
from libcontainer.config.report import Report, join, show
from libcontainer.config.scheduling import (
    IO_CLASSES,
    SCHEDULER_FLAGS,
    SCHEDULER_POLICIES,
    CpuAffinity,
    IoPriority,
    Scheduler,
)

_MAX_CPU: Final = 8191
_MAX_NODE: Final = 1023
_MAX_TIME: Final = 2**63 - 1
_MIN_RUNTIME: Final = 1024
_MAX_OOM: Final = 1000
_MAX_DUMP: Final = 0x1FF
_MAX_SIGNAL: Final = 64
_NICE: Final = ("SCHED_OTHER", "SCHED_BATCH")
_REAL_TIME: Final = ("SCHED_FIFO", "SCHED_RR")
_DEADLINE: Final = "SCHED_DEADLINE"
_TIMES: Final = ("runtime", "deadline", "period")
_NO_NODES: Final = ("MPOL_DEFAULT", "MPOL_LOCAL")
_BALANCED: Final = ("MPOL_BIND", "MPOL_PREFERRED_MANY")
_ONE_KIND: Final = frozenset({"MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"})


def check_scheduler(config: Config, report: Report, path: str, value: object) -> None:
    """Check a policy, and that it has what it needs and nothing else."""
    wanted = report.instance(path, value, Scheduler)
    if wanted is None:
        return
    policy = report.word(join(path, "policy"), wanted.policy, SCHEDULER_POLICIES)
    _check_flags(report, join(path, "flags"), wanted.flags, SCHEDULER_FLAGS)
    nice = report.integer(join(path, "nice"), wanted.nice, -20, 19)
    if nice and policy is not None and policy not in _NICE:
        report.add(join(path, "nice"), f"has no effect with {policy}")
    if policy is None:
        return
    at = join(path, "priority")
    if policy in _REAL_TIME:
        report.integer(at, wanted.priority, 1, 99)
    elif report.integer(at, wanted.priority, 0, 99):
        report.add(at, f"must be 0 with {policy}")
    _check_times(report, path, wanted, policy)


def _check_times(report: Report, path: str, wanted: Scheduler, policy: str) -> None:
    if policy != _DEADLINE:
        for name in _TIMES:
            at = join(path, name)
            if report.integer(at, getattr(wanted, name), 0, _MAX_TIME):
                report.add(at, f"must be 0 with {policy}")
        return
    lowest = (_MIN_RUNTIME, _MIN_RUNTIME, 0)
    runtime, deadline, period = (
        report.integer(join(path, name), getattr(wanted, name), low, _MAX_TIME)
        for name, low in zip(_TIMES, lowest, strict=True)
    )
    if runtime is not None and deadline is not None and runtime > deadline:
        report.add(join(path, "runtime"), "must not be above deadline")
    if period and deadline is not None and deadline > period:
        report.add(join(path, "deadline"), "must not be above period")


def check_io_priority(config: Config, report: Report, path: str, value: object) -> None:
    """Check a class of I/O and its priority."""
    wanted = report.instance(path, value, IoPriority)
    if wanted is None:
        return
    kind = report.word(join(path, "class_"), wanted.class_, IO_CLASSES)
    at = join(path, "priority")
    highest = 0 if kind == "IOPRIO_CLASS_IDLE" else 7
    report.integer(at, wanted.priority, 0, highest)


def check_cpu_affinity(
    config: Config, report: Report, path: str, value: object
) -> None:
    """Check sets of processors."""
    wanted = report.instance(path, value, CpuAffinity)
    if wanted is None:
        return
    if wanted.initial is None and wanted.final is None:
        report.add(path, "must have initial or final")
    for name in ("initial", "final"):
        numbers: object = getattr(wanted, name)
        if numbers is not None:
            _check_numbers(report, join(path, name), numbers, _MAX_CPU)


def check_memory_policy(
    config: Config, report: Report, path: str, value: object
) -> None:
    """Check a mode, and that it has the nodes and flags it can take."""
    wanted = report.instance(path, value, MemoryPolicy)
    if wanted is None:
        return
    mode = report.word(join(path, "mode"), wanted.mode, MEMORY_MODES)
    at = join(path, "flags")
    flags = _check_flags(report, at, wanted.flags, MEMORY_FLAGS)
    if flags >= _ONE_KIND:
        why = "exclude each other: to set_mempolicy(2) an invalid argument"
        report.add(at, f"{' and '.join(sorted(_ONE_KIND))} {why}")
    if "MPOL_F_NUMA_BALANCING" in flags and mode not in (None, *_BALANCED):
        report.add(at, f"MPOL_F_NUMA_BALANCING is not for {mode}")
    elif flags and mode in _NO_NODES:
        report.add(at, f"are of no use with {mode}")
    _check_nodes(report, join(path, "nodes"), wanted.nodes, mode)


def _check_nodes(report: Report, path: str, nodes: object, mode: str | None) -> None:
    if nodes is not None:
        _check_numbers(report, path, nodes, _MAX_NODE)
    if mode in _NO_NODES and nodes is not None:
        report.add(path, f"is of no use with {mode}")
    elif mode not in (None, *_NO_NODES) and nodes is None:
        report.add(path, f"is needed with {mode}")


def check_personality(config: Config, report: Report, path: str, value: object) -> None:
    """Check a domain and flags."""
    wanted = report.instance(path, value, Personality)
    if wanted is not None:
        report.word(join(path, "domain"), wanted.domain, PERSONALITY_DOMAINS)
        _check_flags(report, join(path, "flags"), wanted.flags, PERSONALITY_FLAGS)


def check_oom_score_adj(
    config: Config, report: Report, path: str, value: object
) -> None:
    """Check the range of the score."""
    report.integer(path, value, -_MAX_OOM, _MAX_OOM)


def check_coredump_filter(
    config: Config, report: Report, path: str, value: object
) -> None:
    """Check that there are no more bits than the kernel has."""
    report.integer(path, value, 0, _MAX_DUMP)


def check_signal(config: Config, report: Report, path: str, value: object) -> None:
    """Check for the number of a signal; a name that is left is unknown."""
    if isinstance(value, str):
        report.add(path, f"unknown signal {show(value)}")
    else:
        report.integer(path, value, 1, _MAX_SIGNAL)


def _check_flags(
    report: Report, path: str, value: object, known: dict[str, int]
) -> set[str]:
    found: set[str] = set()
    for at, item in report.items(path, value, "flags"):
        word = report.word(at, item, known)
        if word in found:
            report.add(at, f"{word} is there already")
        elif word is not None:
            found.add(word)
    return found


def _check_numbers(report: Report, path: str, value: object, highest: int) -> None:
    if not isinstance(value, str):
        report.wrong_type(path, "numbers or a text like '0-3,7'", value)
        return
    ranges = parse_numbers(value)
    if ranges is None:
        report.add(path, f"must be a text like '0-3,7', not {show(value)}")
    elif max(last for _, last in ranges) > highest:
        report.add(path, f"must not have a number above {highest}: {show(value)}")


CHECKS: Final = {
    "oom_score_adj": check_oom_score_adj,
    "scheduler": check_scheduler,
    "io_priority": check_io_priority,
    "cpu_affinity": check_cpu_affinity,
    "memory_policy": check_memory_policy,
    "personality": check_personality,
    "parent_death_signal": check_signal,
    "coredump_filter": check_coredump_filter,
}
"""The check of each field."""
