# SPDX-License-Identifier: Apache-2.0
"""Whatever fails at a step that is there for hooks, nothing is left of a launch."""

from __future__ import annotations

import errno
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import libcontainer as lc
from libcontainer.plan import Step, ops
from libcontainer.plan.steps import HookFiles, RecordState, RunHooks, TellHooks
from tests.faults.launches import (
    HOOK_KINDS,
    PROGRAM,
    Launches,
    host_steps,
    in_child,
    init_steps,
    make,
    raise_at,
)

pytestmark = pytest.mark.needs("root", "rootfs")

_OURS = (HookFiles, TellHooks, RunHooks, RecordState)


@pytest.fixture(params=HOOK_KINDS)
def hooked(
    request: pytest.FixtureRequest, factory: lc.Factory, busybox_rootfs: Path
) -> Iterator[Launches]:
    """A launch with a hook of every kind."""
    made = make(factory, busybox_rootfs, request.param)
    yield made
    made.container.delete(force=True)


def _helper_steps(launch: Launches) -> list[Step]:
    """What the helper does for hooks, as far as the launch waits for it."""
    gates = [s.index for s in launch.plan.steps if isinstance(s.action, ops.Gate)]
    last = min(gates, default=launch.plan.total)
    kinds = (ops.Child, ops.Barrier)
    return [
        step
        for step in init_steps(launch.plan)
        if step.index < last
        and (isinstance(step.action, kinds) or in_child(launch.plan, step))
    ]


def test_an_error_at_a_step_of_a_hook_is_named_and_undone(hooked: Launches) -> None:
    steps = _helper_steps(hooked)
    assert len(steps) >= 6
    for step in steps:
        hooked.fail_at(step.index, errno.EIO)
        with pytest.raises(lc.StepError) as caught:
            hooked.start(PROGRAM)
        assert (caught.value.errno, caught.value.index) == (errno.EIO, step.index)
        assert isinstance(caught.value, lc.HookError) == in_child(hooked.plan, step)
        hooked.check_undone()
    hooked.check_works()


def test_a_helper_or_its_child_that_dies_leaves_nothing(hooked: Launches) -> None:
    for step in _helper_steps(hooked):
        hooked.fail_at(step.index, -signal.SIGKILL)
        child = in_child(hooked.plan, step)
        with pytest.raises(lc.HookError if child else lc.HelperError) as caught:
            hooked.start(PROGRAM)
        if isinstance(caught.value, lc.HookError):
            assert "signal 9" in caught.value.reason
        hooked.check_undone()
    hooked.check_works()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_host_step_of_hooks_that_raises_is_undone(
    hooked: Launches, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    steps = [s for s in host_steps(hooked.plan) if isinstance(s.action, _OURS)]
    assert {type(step.action) for step in steps} == set(_OURS)
    for step in steps:
        with monkeypatch.context() as patch:
            raise_at(patch, step, KeyboardInterrupt(), after=after)
            with pytest.raises(KeyboardInterrupt):
                hooked.start(PROGRAM)
        hooked.check_undone()
    hooked.check_works()


@pytest.mark.parametrize("number", [errno.EIO, -signal.SIGKILL])
def test_what_fails_behind_the_gate_is_told_to_who_opens_it(
    factory: lc.Factory, busybox_rootfs: Path, number: int
) -> None:
    made = make(factory, busybox_rootfs, "prepare with hooks")
    gate = next(s.index for s in made.plan.steps if isinstance(s.action, ops.Gate))
    steps = [s for s in init_steps(made.plan) if s.index > gate]
    made.container.delete()
    for step in (s for s in steps if in_child(made.plan, s)):
        made = make(factory, busybox_rootfs, "prepare with hooks")
        made.fail_at(step.index, number)
        with made.container as container, container.prepare(PROGRAM) as process:
            with pytest.raises(lc.HookError) as caught:
                container.start()
            assert caught.value.hook == "hooks.start_container[0]"
            assert process.wait() == lc.ExitStatus(code=1)
            assert container.status() is lc.Status.STOPPED
