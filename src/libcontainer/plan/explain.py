# SPDX-License-Identifier: Apache-2.0
"""Plan to text: what a launch will do, one line a step."""

from __future__ import annotations

from libcontainer.plan.ops import Op
from libcontainer.plan.stages import STAGES
from libcontainer.plan.steps import Plan, Step


def explain(plan: Plan) -> str:
    """Return the plan as text, without carrying it out.

    Each line has the step's number, its side, its stage, what it does and the
    man page. The first step of a stage is preceded by why the stage stands
    where it does.
    """
    lines: list[str] = []
    stage = ""
    for step in plan.steps:
        if step.stage != stage:
            stage = step.stage
            lines.append(f"  {stage}: {STAGES[stage]}")
        lines.append(_line(step))
    return "\n".join(lines) + "\n"


def _line(step: Step) -> str:
    man = step.action.man if isinstance(step.action, Op) else ""
    text = f"{step.index:3} {step.side.value}  {step.title}"
    return f"{text:<79} {man}".rstrip()
