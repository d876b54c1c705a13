# SPDX-License-Identifier: Apache-2.0
"""A plan reads the same every time, one line a step.

``UPDATE_GOLDEN=1`` writes the kept texts anew; look at the difference before
you believe it.
"""

from __future__ import annotations

import os
import re

import pytest

from libcontainer.plan import explain
from libcontainer.plan.ops import Op
from libcontainer.plan.stages import STAGES
from tests.plan.samples import GOLDEN, SAMPLES


@pytest.mark.parametrize("name", SAMPLES)
def test_a_plan_reads_as_it_did(name: str) -> None:
    path = GOLDEN / f"{name}.txt"
    text = explain(SAMPLES[name]())
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(text)
    assert text == path.read_text()


def test_no_kept_text_is_without_its_plan() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_step_is_one_line_that_names_number_and_side(name: str) -> None:
    plan = SAMPLES[name]()
    lines = explain(plan).splitlines()
    steps = [line for line in lines if not line.startswith("  ") or _number(line)]
    assert len(steps) == plan.total
    for line, step in zip(steps, plan.steps, strict=True):
        assert line.split()[:2] == [str(step.index), step.side.value]
        assert step.title in line
        if isinstance(step.action, Op):
            assert line.endswith(step.action.man)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_stage_is_told_once_with_its_reason(name: str) -> None:
    plan = SAMPLES[name]()
    told = [line for line in explain(plan).splitlines() if not _number(line)]
    used = dict.fromkeys(step.stage for step in plan.steps)
    assert told == [f"  {stage}: {STAGES[stage]}" for stage in used]


def test_explaining_twice_gives_the_same_text() -> None:
    assert all(explain(make()) == explain(make()) for make in SAMPLES.values())


def _number(line: str) -> bool:
    return re.match(r" *[0-9]+ (host|init)  ", line) is not None
