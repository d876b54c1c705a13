# SPDX-License-Identifier: Apache-2.0
"""Config, Process and Facts to a Plan: pure, no system call is made here.

Read `libcontainer.plan.stages` first: it is the order of a launch. The names below are
loaded when they are asked for: who looks at a container compiles nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOMES = {
    "compile_create": "create",
    "explain": "explain",
    "Facts": "facts",
    "Identity": "facts",
    "compile_join": "join",
    "Settings": "settings",
    "merge": "settings",
    "Plan": "steps",
    "Side": "steps",
    "Step": "steps",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module  # noqa: PLC0415

    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    # One of the names is a module's, too.
    globals()[name] = found
    return found
