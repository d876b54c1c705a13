# SPDX-License-Identifier: Apache-2.0
"""What a launch asks of its plan is told once, and truly."""

from __future__ import annotations

import pytest

from libcontainer.plan import Side, ops
from libcontainer.plan.compiled import Compiled
from tests.plan.samples import SAMPLES


@pytest.mark.parametrize("name", SAMPLES)
def test_the_dialogue_has_every_step_of_the_caller(name: str) -> None:
    plan = SAMPLES[name]()
    compiled = Compiled(plan)
    theirs = [
        step
        for step in plan.steps
        if step.side is Side.INIT and not isinstance(step.action, ops.Barrier)
    ]
    assert sorted([*compiled.dialogue, *theirs], key=lambda s: s.index) == [*plan.steps]


@pytest.mark.parametrize(
    ("name", "clones", "waits", "executes"),
    [
        ("default", False, False, True),
        ("unprivileged", True, False, True),
        ("join", True, False, True),
        ("gate", False, True, True),
        ("template", False, False, False),
    ],
)
def test_a_plan_tells_how_it_goes_on(
    name: str, clones: bool, waits: bool, executes: bool
) -> None:
    compiled = Compiled(SAMPLES[name]())
    found = (compiled.clones, compiled.waits, compiled.executes)
    assert found == (clones, waits, executes)
