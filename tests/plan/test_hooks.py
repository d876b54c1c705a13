# SPDX-License-Identifier: Apache-2.0
"""Where the steps of hooks stand in a plan, and that they cost nothing without."""

from __future__ import annotations

from math import inf
from typing import Any, Final

import pytest

import libcontainer as lc
from libcontainer.config import DEFAULT_NAMESPACES
from libcontainer.plan import Facts, Plan, ops
from libcontainer.plan.compiled import Compiled
from libcontainer.plan.hooks import compile_hook
from libcontainer.plan.steps import (
    HookFiles,
    RecordState,
    RunHooks,
    TellHooks,
    UseTemplate,
)
from tests.plan.samples import PRIVILEGED, RANGE, WITH_TEMPLATE, WITH_USER, create

HOOK: Final = lc.Hook("/bin/hook", timeout=5)
BEFORE_PIVOT: Final = ("prestart", "create_runtime", "create_container")
KINDS: Final = (*BEFORE_PIVOT, "start_container", "poststart", "poststop")


def _plan(
    *kinds: str, facts: Facts = PRIVILEGED, gate: bool = False, **wishes: Any
) -> Plan:
    hooks = lc.Hooks(**dict.fromkeys(kinds, (HOOK, HOOK)))
    return create(lc.Config(hooks=hooks, **wishes), facts, gate=gate)


def _names(plan: Plan) -> list[str]:
    return [type(step.action).__name__ for step in plan.steps]


def _first(plan: Plan, kind: type[Any]) -> int:
    return next(i for i, s in enumerate(plan.steps) if isinstance(s.action, kind))


@pytest.mark.parametrize("gate", [False, True])
@pytest.mark.parametrize("kind", ["poststart", "poststop"])
def test_hooks_after_the_program_are_no_part_of_the_plan(kind: str, gate: bool) -> None:
    assert _plan(kind, gate=gate) == _plan(gate=gate)


@pytest.mark.parametrize("kind", BEFORE_PIVOT)
@pytest.mark.parametrize("user", [False, True])
def test_hooks_before_the_pivot_come_after_everything_is_mounted(
    kind: str, user: bool
) -> None:
    wishes: dict[str, Any] = {}
    if user:
        wishes = {"namespaces": WITH_USER, "uid_mappings": RANGE, "gid_mappings": RANGE}
    plan = _plan(kind, **wishes)
    mine = [i for i, step in enumerate(plan.steps) if step.stage == "hooks"]
    assert max(
        i
        for i, s in enumerate(plan.steps)
        if isinstance(s.action, ops.Mask | ops.Attach)
    ) < min(mine)
    assert max(mine) < _first(plan, ops.Pivot)
    # What a crash leaves tells that hooks may have run.
    record = next(s for s in plan.steps if isinstance(s.action, RecordState))
    assert (record.stage, record.title) == ("hooks", "save state.json: creating")


def test_the_template_has_no_host_files_for_hooks_before_the_pivot() -> None:
    for kind in KINDS:
        used = any(
            isinstance(step.action, UseTemplate)
            for step in _plan(kind, facts=WITH_TEMPLATE).steps
        )
        assert used == (kind not in BEFORE_PIVOT), kind


def test_the_root_is_where_the_configuration_has_it_while_hooks_look_for_it() -> None:
    for kind in KINDS:
        plan = _plan(kind, rootfs="/srv/image/")
        (root,) = (s.action for s in plan.steps if isinstance(s.action, ops.Root))
        assert root.path == ("/srv/image" if kind in BEFORE_PIVOT else "/"), kind


@pytest.mark.parametrize("gate", [False, True])
def test_hooks_of_the_container_run_behind_its_identity_and_its_gate(
    gate: bool,
) -> None:
    plan = _plan("start_container", gate=gate)
    child = _first(plan, ops.Child)
    assert _first(plan, ops.SetIdentity) < child
    assert not gate or _first(plan, ops.Gate) < child
    rest = ["Child", "Call", "FindProgram", "Exec"] * 2
    rest += ["Exec"] if gate else ["Barrier", "Exec"]
    assert _names(plan)[child:] == rest
    assert [s.action.number for s in plan.steps if isinstance(s.action, ops.Child)] == [
        1,
        2,
    ]


def test_every_hook_in_the_container_has_a_state_of_its_own() -> None:
    plan = _plan("create_container", "start_container")
    (files,) = (s.action for s in plan.steps if isinstance(s.action, HookFiles))
    (told,) = (s.action for s in plan.steps if isinstance(s.action, TellHooks))
    stdin = [s.action.fds[0] for s in plan.steps if isinstance(s.action, ops.Exec)][:4]
    assert [target for _, target in stdin] == [0] * 4
    assert [slot for slot, _ in stdin] == list(files.slots)
    assert (*told.creating, *told.created) == files.slots
    assert told.own_pids
    shared = _plan("create_container", namespaces=DEFAULT_NAMESPACES - {"pid"})
    (told,) = (s.action for s in shared.steps if isinstance(s.action, TellHooks))
    assert not told.own_pids


def test_the_host_runs_prestart_before_create_runtime() -> None:
    plan = _plan(*KINDS)
    kinds = [s.action.kind for s in plan.steps if isinstance(s.action, RunHooks)]
    assert kinds == ["prestart", "create_runtime"]
    assert max(
        i for i, s in enumerate(plan.steps) if isinstance(s.action, RunHooks)
    ) < (_first(plan, ops.Child))


def test_the_time_that_hooks_may_take_is_known() -> None:
    assert Compiled(_plan()).hook_seconds == 0
    assert Compiled(_plan("poststart", "poststop")).hook_seconds == 0
    assert Compiled(_plan(*BEFORE_PIVOT)).hook_seconds == 30
    assert Compiled(_plan("start_container")).hook_seconds == 10
    for kind in (*BEFORE_PIVOT, "start_container"):
        hooks = lc.Hooks(**{kind: (HOOK, lc.Hook("/bin/hook"))})
        assert Compiled(create(lc.Config(hooks=hooks))).hook_seconds == inf


def test_a_hook_on_the_host_is_a_plan_of_its_own() -> None:
    plan = compile_hook(lc.Hook("/bin/hook", ["name", "x"], {"A": "b"}))
    assert _names(plan) == ["Spawn", "Call", "FindProgram", "Exec"]
    (last,) = (s.action for s in plan.steps if isinstance(s.action, ops.Exec))
    assert (last.args, last.env) == (("name", "x"), ("A=b",))
    assert last.fds == ((1, 0), (2, 1), (2, 2))
