# SPDX-License-Identifier: Apache-2.0
"""The process of a bundle (``config.md`` *Process*)."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any, Final

from attrs import evolve

from libcontainer.config.identity import CAPABILITY_NUMBERS, Capabilities
from libcontainer.config.report import Report, join
from libcontainer.config.scheduling import CpuAffinity
from libcontainer.errors import ConfigError, Problem
from libcontainer.process import Process

_UNKNOWN: Final = "unknown key"
_PART: Final = re.compile(r"([^.\[\]]+)|\[([0-9]+)\]")

# The kernel passes over those that there are not.
ALL_PROCESSORS: Final = CpuAffinity(final="0-8191")

# What a further process has too, if nobody says otherwise.
_SHARED: Final = (
    *("env", "cwd", "user", "additional_groups", "umask", "rlimits"),
    *("no_new_privs", "capabilities", "apparmor_profile", "process_label"),
    *("oom_score_adj", "scheduler", "io_priority"),
)

_ABSENT: Final[tuple[tuple[str, Any], ...]] = (
    ("env", ()),
    ("no_new_privs", False),
    ("capabilities", Capabilities()),
    ("terminal", False),
    ("user", "0:0"),
    ("additional_groups", ()),
)

_OTHERS: Final = "is of Windows alone, passed over"
_MAY_BE_EMPTY: Final = ("consoleSize", "ioPriority", "scheduler")
_NICE: Final = ("SCHED_OTHER", "SCHED_BATCH")
_LOST: Final = {
    "permitted": "{} is not in the bounding set: execve(2) takes it away",
    "effective": "{} is not permitted",
    "ambient": "can't raise ambient capability {}: not permitted, or not inheritable",
    "inheritable": "{} would outlast a set-id program: only what is ambient is kept",
}


def read_process(value: object, report: Report, warnings: Report) -> Process | None:
    """Return the process of a bundle, or None if there is none.

    A key that the specification does not have is passed over with a warning.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        # A text would be read as a document of its own.
        report.add("process", "must be an object")
        return None
    document = copy.deepcopy(value)
    _keep_known_capabilities(document, warnings)
    _drop_of_others(document, warnings)
    for _ in range(2):
        try:
            process = Process.from_json(document)
            if not process.cwd:
                report.add("process.cwd", "must be an absolute path")
            return _possible(_without_nice(_defaults(process), warnings), warnings)
        except ConfigError as error:
            others = [item for item in error.problems if item.message != _UNKNOWN]
            unknown = [item for item in error.problems if item.message == _UNKNOWN]
        if not unknown:
            break
        others += _drop_all(document, unknown, warnings)
    for item in others:
        report.add(_below(item), item.message)
    return None


def with_affinity(process: Process) -> tuple[Process, CpuAffinity]:
    """Return the first process, and on which processors those run that join it.

    What a bundle says of processors is of those alone. Where it says nothing they
    are all that the cpuset has, not those that happen to be the caller's.
    """
    asked = process.cpu_affinity or ALL_PROCESSORS
    shared = evolve(asked, final=asked.final or ALL_PROCESSORS.final)
    return evolve(process, cpu_affinity=ALL_PROCESSORS), shared


def shared_fields(process: Process) -> dict[str, Any]:
    """Return what the container's configuration has of its first process."""
    found = {name: getattr(process, name) for name in _SHARED}
    return {name: value for name, value in found.items() if value is not None}


def _defaults(process: Process) -> Process:
    """Fill in what an absent key means there, where ours has another default."""
    absent = {name: value for name, value in _ABSENT if getattr(process, name) is None}
    # An empty one is looked up, too.
    env = tuple(item for item in process.env or () if item != ("HOME", ""))
    process = evolve(process, env=env)
    return evolve(process, **absent)


def _without_nice(process: Process, warnings: Report) -> Process:
    """Take out a nice value where the policy does not look at it."""
    wanted = process.scheduler
    if wanted is None or not wanted.nice or wanted.policy in _NICE:
        return process
    warnings.add("process.scheduler.nice", f"has no effect with {wanted.policy}")
    return evolve(process, scheduler=evolve(wanted, nice=0))


def _possible(process: Process, warnings: Report) -> Process:
    """Take out capabilities that the kernel would not give, with a warning each.

    A bundle may ask for them: what is beyond the bounding set is lost in execve(2),
    and only what is permitted and inheritable is raised as ambient.
    """
    sets = process.capabilities or Capabilities()
    permitted = sets.permitted & sets.bounding
    ambient = sets.ambient & permitted & sets.inheritable
    kept = Capabilities(
        bounding=sets.bounding,
        permitted=permitted,
        effective=sets.effective & permitted,
        ambient=ambient,
        inheritable=ambient,
    )
    for name in ("permitted", "effective", "ambient", "inheritable"):
        for word in sorted(getattr(sets, name) - getattr(kept, name)):
            warnings.add(f"process.capabilities.{name}", _LOST[name].format(word))
    return process if kept == sets else evolve(process, capabilities=kept)


def _keep_known_capabilities(document: object, warnings: Report) -> None:
    """Take out names of no capability: the specification wants a warning only."""
    sets = document.get("capabilities") if isinstance(document, dict) else None
    if not isinstance(sets, dict):
        return
    for name, words in sets.items():
        if not isinstance(words, list):
            continue
        for word in words:
            if isinstance(word, str) and word not in CAPABILITY_NUMBERS:
                at = f"process.capabilities.{name}"
                warnings.add(at, f"there is no {word}, passed over")
        sets[name] = [
            word
            for word in words
            if not isinstance(word, str) or word in CAPABILITY_NUMBERS
        ]


def _drop_of_others(document: object, warnings: Report) -> None:
    """Take out what is of Windows alone, and objects that say nothing."""
    if not isinstance(document, dict):
        return
    user = document.get("user")
    # Without ids the name is all that says who: it is not passed over.
    if isinstance(user, dict) and "username" in user and "uid" in user:
        del user["username"]
        warnings.add("process.user.username", _OTHERS)
    if document.pop("commandLine", None) is not None:
        warnings.add("process.commandLine", _OTHERS)
    for key in _MAY_BE_EMPTY:
        if document.get(key) == {}:
            del document[key]


def _below(problem: Problem) -> str:
    return problem.path if problem.path == "process" else f"process.{problem.path}"


def _drop_all(
    document: object, unknown: list[Problem], warnings: Report
) -> list[Problem]:
    """Remove unknown keys, with a warning each; return those that are not found."""
    left = [item for item in unknown if not _drop(document, item.path)]
    for item in unknown:
        if item not in left:
            warnings.add(join("process", item.path), f"{_UNKNOWN}, passed over")
    return left


def _drop(document: Any, path: str) -> bool:  # noqa: ANN401
    """Remove what is at a path such as ``rlimits[2].note``; tell whether it was there.

    A name with dots, brackets or escapes in it is not found by its path.
    """
    parts = [name or int(number) for name, number in _PART.findall(path)]
    try:
        for part in parts[:-1]:
            document = document[part]
        del document[parts[-1]]
    except (LookupError, TypeError):
        return False
    return True
