# SPDX-License-Identifier: Apache-2.0
"""Whatever step fails or dies, the report names it and nothing stays."""

from __future__ import annotations

import errno
import os
import signal
import socket

import pytest

from tests.native.helper_driver import (
    ABI,
    Slot,
    call,
    failure,
    hostname,
)
from tests.native.small_container import (
    Container,
    Make,
    Start,
    output_of,
)

SIOCSIFFLAGS = 0x8914

pytestmark = pytest.mark.needs("root")


def whole(container: Make, **options: int) -> Container:
    """A container that goes through most of the operations."""
    box = container(**options)
    box.namespaces()
    box.root()
    box.devices()
    box.plan.add("CALL", **hostname(b"box"))
    lo = box.plan.slot()
    box.plan.call("SOCKET", socket.AF_INET, socket.SOCK_DGRAM, result=lo)
    up = b"lo".ljust(16, b"\0") + b"\1".ljust(24, b"\0")
    box.plan.call("IOCTL", Slot(lo), SIOCSIFFLAGS, up)
    box.plan.add("CALL", mode=ABI["LC_CALL_SETSID"], data=call())
    box.finish("true")
    return box


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
def test_an_error_at_any_step_is_reported(
    run: Start, container: Make, error: int
) -> None:
    count = len(whole(container).plan.ops)
    for step in range(1, count + 1):
        box = whole(container, fault_step=step, fault=error)
        process = run(box.plan)
        assert process.messages() == [failure(step, error, "CALL")]
        assert process.wait() == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_death_at_any_step_is_seen(
    run: Start, container: Make, number: signal.Signals
) -> None:
    count = len(whole(container).plan.ops)
    for step in range(1, count + 1):
        box = whole(container, fault_step=step, fault=-number)
        process = run(box.plan)
        assert process.messages() == []
        # The first process of a pid namespace cannot kill itself, so it exits.
        assert process.wait() == (-number if step == 1 else 128 + number)


def test_a_stopped_helper_can_be_killed(run: Start, container: Make) -> None:
    box = whole(container, fault_step=1, fault=-signal.SIGSTOP)
    process = run(box.plan)
    os.waitid(os.P_PID, process.process.pid, os.WSTOPPED)
    process.process.kill()
    assert process.messages() == []
    assert process.wait() == -signal.SIGKILL


def test_a_step_that_is_not_there_fails_nothing(run: Start, container: Make) -> None:
    box = whole(container, fault_step=60000, fault=errno.EIO)
    assert output_of(run, box) == ""
