# SPDX-License-Identifier: Apache-2.0
"""Whether a launch was killed for want of memory, from the files of both versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from libcontainer.cgroups.group import Group
from libcontainer.errors import HelperError
from libcontainer.launches.starved import tell_if_starved
from libcontainer.plan.unified import UNIFIED

OWN = "out of memory: the limit of 4096 bytes is too small to start"
ABOVE = "out of memory: the limit of a cgroup above is too small to start"
V1 = ("memory", "memory.oom_control", "memory.limit_in_bytes")
V2 = (UNIFIED, "memory.events", "memory.max")


@pytest.mark.parametrize(
    ("names", "counters", "limit", "hint"),
    [
        (V1, "under_oom 0\noom_kill 1\n", "4096\n", OWN),
        (V1, "under_oom 0\noom_kill 1\n", "9223372036854771712\n", ABOVE),
        (V1, "under_oom 0\noom_kill 0\n", "4096\n", None),
        (V1, "under_oom 0\n", "4096\n", None),
        (V2, "oom 1\noom_kill 1\noom_group_kill 0\n", "4096\n", OWN),
        (V2, "oom 1\noom_kill 2\n", "max\n", ABOVE),
        (V2, "oom 0\noom_kill 0\n", "4096\n", None),
    ],
)
def test_a_kill_that_was_counted_is_the_hint(
    tmp_path: Path,
    names: tuple[str, str, str],
    counters: str,
    limit: str,
    hint: str | None,
) -> None:
    hierarchy, file, most = names
    (tmp_path / file).write_text(counters)
    (tmp_path / most).write_text(limit)
    error = HelperError("the helper ended")
    tell_if_starved(error, Group({hierarchy: str(tmp_path)}))
    assert error.hint == hint
    assert str(error) == "the helper ended" + (f"\nhint: {hint}" if hint else "")


def test_without_such_files_nothing_is_said(tmp_path: Path) -> None:
    error = HelperError("the helper ended")
    for paths in ({}, {UNIFIED: str(tmp_path)}, {"pids": str(tmp_path)}):
        tell_if_starved(error, Group(paths))
    assert error.hint is None
