# SPDX-License-Identifier: Apache-2.0
"""The system calls of what few processes ask for, one function a field."""

from __future__ import annotations

import struct

from libcontainer.config.memory import (
    MEMORY_FLAGS,
    MEMORY_MODES,
    PERSONALITY_DOMAINS,
    PERSONALITY_FLAGS,
    MemoryPolicy,
    Personality,
)
from libcontainer.config.numbers import numbers_mask
from libcontainer.config.scheduling import (
    IO_CLASSES,
    SCHEDULER_FLAGS,
    SCHEDULER_POLICIES,
    CpuAffinity,
    IoPriority,
    Scheduler,
)
from libcontainer.plan import ops
from libcontainer.plan.settings import Settings

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_THP_DISABLE = 41
_PR_SCHED_CORE = 62
_PR_SET_MEMORY_MERGE = 67
_CORE_CREATE, _CORE_SHARE_FROM = 1, 3
_THREAD, _PROCESS = 0, 1
_IOPRIO_WHO_PROCESS = 1
_IOPRIO_CLASS_SHIFT = 13
_ATTRIBUTES_SIZE = 48


def inherited_calls(wanted: Settings) -> list[ops.Call]:
    """Return what children inherit, so that it can be set early."""
    calls: list[ops.Call] = []
    if wanted.scheduler is not None and not _is_not_inherited(wanted.scheduler):
        calls.append(_scheduler(wanted.scheduler))
    if wanted.io_priority is not None:
        calls.append(_io_priority(wanted.io_priority))
    if wanted.personality is not None:
        calls.append(_personality(wanted.personality))
    if wanted.ksm:
        calls.append(_prctl(_PR_SET_MEMORY_MERGE, 1, "let equal pages merge"))
    if wanted.thp_disable:
        calls.append(_prctl(_PR_SET_THP_DISABLE, 1, "disable transparent huge pages"))
    return calls


def own_calls(wanted: Settings) -> list[ops.Call]:
    """Return what no child would inherit, and what set-up is not to be held by."""
    calls: list[ops.Call] = []
    if wanted.scheduler is not None and _is_not_inherited(wanted.scheduler):
        calls.append(_scheduler(wanted.scheduler))
    # After the cgroup, whose cpuset would change them.
    if wanted.memory_policy is not None:
        calls.append(_memory_policy(wanted.memory_policy))
    if wanted.cpu_affinity is not None and wanted.cpu_affinity.final is not None:
        calls.append(_affinity(wanted.cpu_affinity.final))
    return calls


def first_affinity(wanted: CpuAffinity) -> list[ops.Call]:
    """Return the processors of the set-up."""
    return [] if wanted.initial is None else [_affinity(wanted.initial)]


def new_core() -> ops.Call:
    """Begin a core scheduling group."""
    return _core(_CORE_CREATE, 0, _PROCESS, "a new cookie")


def share_core() -> ops.Call:
    """Join the core scheduling group of pid 1."""
    return _core(_CORE_SHARE_FROM, 1, _THREAD, "the cookie of pid 1")


def dumpable(wanted: bool, what: str) -> ops.Call:  # noqa: FBT001
    """Let the caller's user attach to the helper, or nobody."""
    return _prctl(_PR_SET_DUMPABLE, int(wanted), what)


def parent_death_signal(number: int) -> ops.Call:
    """Ask for a signal at the parent's end."""
    return _prctl(
        _PR_SET_PDEATHSIG, number, f"get signal {number} when the parent ends"
    )


def _is_not_inherited(wanted: Scheduler) -> bool:
    # A deadline task cannot fork, and what is reset at a fork would be lost.
    resets = "SCHED_FLAG_RESET_ON_FORK" in wanted.flags
    return resets or wanted.policy == "SCHED_DEADLINE"


def _scheduler(wanted: Scheduler) -> ops.Call:
    attributes = struct.pack(
        "=IIQiIQQQ",
        _ATTRIBUTES_SIZE,
        SCHEDULER_POLICIES[wanted.policy],
        sum(SCHEDULER_FLAGS[flag] for flag in wanted.flags),
        wanted.nice,
        wanted.priority,
        wanted.runtime,
        wanted.deadline,
        wanted.period,
    )
    words = [wanted.policy, f"nice {wanted.nice}", f"priority {wanted.priority}"]
    what = f"set the scheduler ({', '.join([*words, *wanted.flags])})"
    return ops.Call("sched_setattr", (0, attributes, 0), what)


def _io_priority(wanted: IoPriority) -> ops.Call:
    value = IO_CLASSES[wanted.class_] << _IOPRIO_CLASS_SHIFT | wanted.priority
    what = f"set the I/O priority ({wanted.class_}, {wanted.priority})"
    return ops.Call("ioprio_set", (_IOPRIO_WHO_PROCESS, 0, value), what)


def _affinity(processors: str) -> ops.Call:
    mask = numbers_mask(processors)
    what = f"run on the processors {processors}"
    return ops.Call("sched_setaffinity", (0, len(mask), mask), what)


def _memory_policy(wanted: MemoryPolicy) -> ops.Call:
    mode = MEMORY_MODES[wanted.mode] | sum(MEMORY_FLAGS[flag] for flag in wanted.flags)
    words = [wanted.mode, f"nodes {wanted.nodes or 'none'}", *wanted.flags]
    what = f"set the memory policy ({', '.join(words)})"
    if wanted.nodes is None:
        return ops.Call("set_mempolicy", (mode,), what)
    mask = numbers_mask(wanted.nodes)
    # The kernel takes one bit less than it is told.
    bits = len(mask) * 8 + 1
    return ops.Call("set_mempolicy", (mode, mask + bytes(8), bits), what)


def _personality(wanted: Personality) -> ops.Call:
    value = PERSONALITY_DOMAINS[wanted.domain]
    value |= sum(PERSONALITY_FLAGS[flag] for flag in wanted.flags)
    what = f"set the personality ({', '.join([wanted.domain, *wanted.flags])})"
    return ops.Call("personality", (value,), what)


def _core(command: int, pid: int, scope: int, what: str) -> ops.Call:
    arguments = (_PR_SCHED_CORE, command, pid, scope)
    return ops.Call("prctl", arguments, f"core scheduling: take {what}")


def _prctl(option: int, value: int, what: str) -> ops.Call:
    return ops.Call("prctl", (option, value), what)
