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
from libcontainer.errors import ConfigError, Problem
from libcontainer.process import Process

_UNKNOWN: Final = "unknown key"
_PART: Final = re.compile(r"([^.\[\]]+)|\[([0-9]+)\]")

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
    for _ in range(2):
        try:
            process = Process.from_json(document)
            if not process.cwd:
                report.add("process.cwd", "must be an absolute path")
            return _defaults(process)
        except ConfigError as error:
            others = [item for item in error.problems if item.message != _UNKNOWN]
            unknown = [item for item in error.problems if item.message == _UNKNOWN]
        if not unknown:
            break
        others += _drop_all(document, unknown, warnings)
    for item in others:
        report.add(_below(item), item.message)
    return None


def shared_fields(process: Process) -> dict[str, Any]:
    """Return what the container's configuration has of its first process."""
    found = {name: getattr(process, name) for name in _SHARED}
    return {name: value for name, value in found.items() if value is not None}


def _defaults(process: Process) -> Process:
    """Fill in what an absent key means there, where ours has another default."""
    absent = {name: value for name, value in _ABSENT if getattr(process, name) is None}
    # Which processors it asks for are those of further processes alone.
    return evolve(process, cpu_affinity=None, **absent)


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
