# SPDX-License-Identifier: Apache-2.0
"""What goes wrong behind the gate is told to who opens it."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest

import libcontainer as lc
from tests.faults.launches import PROGRAM, Launches, init_steps, make

pytestmark = pytest.mark.needs("root", "rootfs")


@pytest.fixture
def prepared(factory: lc.Factory, busybox_rootfs: Path) -> Launches:
    """A container that can be prepared."""
    return make(factory, busybox_rootfs, "prepare")


def test_a_program_that_cannot_be_executed_is_an_error_of_start(
    prepared: Launches,
) -> None:
    prepared.fail_at(prepared.plan.total, errno.EIO)
    with prepared.container as container, container.prepare(PROGRAM) as process:
        with pytest.raises(lc.StepError) as caught:
            container.start()
        assert caught.value.errno == errno.EIO
        assert process.wait() == lc.ExitStatus(code=1)
        assert container.status() is lc.Status.STOPPED


@pytest.mark.parametrize("fault", [errno.EIO, -signal.SIGKILL, -signal.SIGSEGV])
def test_an_init_that_fails_at_the_gate_cannot_be_started(
    prepared: Launches, fault: int
) -> None:
    (step,) = (
        step
        for step in init_steps(prepared.plan)
        if step.title.startswith("wait at the gate")
    )
    prepared.fail_at(step.index, fault)
    with prepared.container as container, container.prepare(PROGRAM) as process:
        with pytest.raises((lc.StateError, lc.HelperError)):
            container.start()
        assert process.wait() != lc.ExitStatus(code=0)
        assert container.status() is lc.Status.STOPPED


def test_an_init_that_was_killed_at_the_gate_cannot_be_started(
    prepared: Launches,
) -> None:
    with prepared.container as container, container.prepare(PROGRAM) as process:
        os.kill(process.host_pid, signal.SIGKILL)
        assert process.wait() == lc.ExitStatus(signal=9)
        with pytest.raises(lc.StateError):
            container.start()
        assert container.status() is lc.Status.STOPPED
