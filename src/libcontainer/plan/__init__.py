# SPDX-License-Identifier: Apache-2.0
"""Config, Process and Facts to a Plan: pure, no system call is made here.

Read `libcontainer.plan.stages` first: it is the order of a launch.
"""

from __future__ import annotations

from libcontainer.plan.create import compile_create
from libcontainer.plan.explain import explain
from libcontainer.plan.facts import Facts, Identity
from libcontainer.plan.join import compile_join
from libcontainer.plan.settings import Settings, merge
from libcontainer.plan.steps import Plan, Side, Step

__all__ = [
    "Facts",
    "Identity",
    "Plan",
    "Settings",
    "Side",
    "Step",
    "compile_create",
    "compile_join",
    "explain",
    "merge",
]
