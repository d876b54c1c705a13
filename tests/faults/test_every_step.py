# SPDX-License-Identifier: Apache-2.0
"""Whatever step of a launch fails, nothing is left and it can be repeated."""

from __future__ import annotations

import errno
import signal

import pytest

import libcontainer as lc
from libcontainer.plan.steps import Spawn
from tests.faults.launches import (
    PROGRAM,
    Launches,
    host_steps,
    init_steps,
    last_answer,
    raise_at,
)

pytestmark = pytest.mark.needs("root", "rootfs")

_INJECTED = [OSError(errno.EIO, "injected"), KeyboardInterrupt(), MemoryError()]


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOMEM])
def test_a_step_that_the_kernel_refuses_is_named_and_undone(
    launch: Launches, number: int
) -> None:
    behind_gate = _behind_gate(launch)
    for step in init_steps(launch.plan):
        if step.index in behind_gate:
            continue
        launch.fail_at(step.index, number)
        with pytest.raises(lc.StepError) as caught:
            launch.start(PROGRAM)
        assert caught.value.errno == number
        assert (caught.value.index, caught.value.total) == (
            step.index,
            launch.plan.total,
        )
        assert step.title in caught.value.title
        assert (caught.value.side, caught.value.stage) == ("init", step.stage)
        launch.check_undone()
    launch.check_works()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_helper_that_dies_at_a_step_leaves_nothing(
    launch: Launches, number: signal.Signals
) -> None:
    for step in init_steps(launch.plan):
        if step.index > last_answer(launch.plan):
            break
        launch.fail_at(step.index, -number)
        with pytest.raises(lc.HelperError, match="the helper ended before step"):
            launch.start(PROGRAM)
        launch.check_undone()
    launch.check_works()


@pytest.mark.parametrize("before_end", [0, 1, 2])
def test_a_helper_that_dies_in_place_of_its_program_is_a_program_that_died(
    launch: Launches, before_end: int
) -> None:
    if _behind_gate(launch):
        return  # behind the gate it is start that sees it, see test_gate.py
    last = last_answer(launch.plan)
    silent = [step for step in init_steps(launch.plan) if step.index > last]
    # One at a time: where it is init that dies, the container has stopped.
    for step in silent[::-1][before_end : before_end + 1]:
        launch.fail_at(step.index, -signal.SIGKILL)
        with launch.start(PROGRAM) as process:
            # The first process of a pid namespace cannot kill itself: it exits.
            assert process.wait() in (
                lc.ExitStatus(signal=9),
                lc.ExitStatus(code=128 + 9),
            )
    assert len(silent) <= 3


def test_a_helper_that_hangs_is_ended_at_the_deadline(launch: Launches) -> None:
    steps = [s for s in init_steps(launch.plan) if s.index <= last_answer(launch.plan)]
    launch.factory._launcher.deadline_seconds = 0.3
    for step in (steps[0], steps[len(steps) // 2], steps[-1]):
        launch.fail_at(step.index, -signal.SIGSTOP)
        # The first process of a pid namespace cannot stop itself, so it exits.
        with pytest.raises((lc.LaunchTimeoutError, lc.HelperError)):
            launch.start(PROGRAM)
        launch.check_undone()
    launch.factory._launcher.deadline_seconds = 30
    launch.check_works()


@pytest.mark.parametrize("injected", _INJECTED, ids=lambda error: type(error).__name__)
def test_a_step_that_raises_in_the_caller_is_undone(
    launch: Launches, monkeypatch: pytest.MonkeyPatch, injected: BaseException
) -> None:
    steps = [s for s in host_steps(launch.plan) if not isinstance(s.action, Spawn)]
    for step in steps:
        with monkeypatch.context() as patch:
            raise_at(patch, step, injected)
            with pytest.raises((type(injected), lc.StepError)) as caught:
                launch.start(PROGRAM)
        if isinstance(caught.value, lc.StepError):
            assert (caught.value.errno, caught.value.index) == (errno.EIO, step.index)
            assert (caught.value.side, caught.value.title) == ("host", step.title)
        else:
            assert caught.value is injected
        launch.check_undone()
    launch.check_works()


def test_a_failure_after_the_work_of_a_host_step_is_undone(
    launch: Launches, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [s for s in host_steps(launch.plan) if not isinstance(s.action, Spawn)]
    for step in steps:
        with monkeypatch.context() as patch:
            raise_at(patch, step, KeyboardInterrupt(), after=True)
            with pytest.raises(KeyboardInterrupt):
                launch.start(PROGRAM)
        launch.check_undone()
    launch.check_works()


def test_a_container_whose_launch_failed_can_be_deleted(launch: Launches) -> None:
    launch.fail_at(init_steps(launch.plan)[0].index, errno.EIO)
    with pytest.raises(lc.StepError):
        launch.start(PROGRAM)
    launch.container.delete(force=launch.container.status() is lc.Status.RUNNING)
    with pytest.raises(lc.ContainerNotFoundError):
        launch.container.status()


def _behind_gate(launch: Launches) -> set[int]:
    """Return the steps that `start` and not `prepare` waits for."""
    steps = launch.plan.steps
    gates = [step.index for step in steps if step.title.startswith("wait at the gate")]
    return {step.index for step in steps if gates and step.index >= gates[0]}
