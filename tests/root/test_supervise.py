# SPDX-License-Identifier: Apache-2.0
"""A container is kept running by a policy."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import libcontainer as lc
from libcontainer.host.children import ExitStatus
from libcontainer.status import Status
from tests.root.conftest import new_id

GOOD, BAD = ExitStatus(code=0), ExitStatus(code=1)
Make = Callable[..., lc.Container]


@pytest.fixture
def make(factory: lc.Factory, busybox_rootfs: Path, tmp_path: Path) -> Make:
    mounts = [lc.Mount.bind(tmp_path, "/mnt")]
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), mounts=mounts)
    return lambda: factory.create(new_id(), config)


# Fails as often as there are lines yet to be written.
FAILS_TWICE = lc.Process(
    ["sh", "-c", "echo >> /mnt/runs; [ $(wc -l < /mnt/runs) -ge 3 ]"]
)


@pytest.mark.parametrize(
    ("policy", "status", "row", "delay"),
    [
        (lc.RestartPolicy(), BAD, 0, 0.1),
        (lc.RestartPolicy(), BAD, 3, 0.8),
        (lc.RestartPolicy(), BAD, 10_000, 60.0),
        (lc.RestartPolicy(), ExitStatus(signal=9), 0, 0.1),
        (lc.RestartPolicy(), ExitStatus(), 0, 0.1),
        (lc.RestartPolicy(), None, 0, 0.1),
        (lc.RestartPolicy(), GOOD, 0, None),
        (lc.RestartPolicy(when="always"), GOOD, 0, 0.1),
        (lc.RestartPolicy(when="no"), BAD, 0, None),
        (lc.RestartPolicy(max_restarts=2), BAD, 1, 0.2),
        (lc.RestartPolicy(max_restarts=2), BAD, 2, None),
        (lc.RestartPolicy(delay_seconds=5, max_delay_seconds=7), BAD, 1, 7),
    ],
)
def test_a_policy_says_when_to_run_again(
    policy: lc.RestartPolicy, status: ExitStatus | None, row: int, delay: float | None
) -> None:
    assert policy.delay(status, row) == pytest.approx(delay)


def test_a_policy_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(lc.ConfigError) as caught:
        lc.RestartPolicy(when="often", max_restarts=-1, delay_seconds=float("nan"))
    paths = [problem.path for problem in caught.value.problems]
    assert paths == ["when", "max_restarts", "delay_seconds"]


@pytest.mark.needs("root", "rootfs")
def test_what_fails_runs_again_until_it_does_not(make: Make) -> None:
    seen: list[ExitStatus | None] = []
    with make() as box:
        policy = lc.RestartPolicy(delay_seconds=0.01)
        supervisor = lc.Supervisor(box, FAILS_TWICE, policy, seen.append)
        assert supervisor.run() == GOOD
        assert supervisor.restarts == 2
    assert seen == [BAD, BAD, GOOD]


@pytest.mark.needs("root", "rootfs")
def test_enough_is_enough(make: Make) -> None:
    policy = lc.RestartPolicy(max_restarts=1, delay_seconds=0.01)
    with make() as box:
        process = lc.Process(["sh", "-c", "exit 7"])
        supervisor = lc.Supervisor(box, process, policy)
        assert supervisor.run() == ExitStatus(code=7)
        assert supervisor.restarts == 1
        # A stopped container is supervised anew.
        assert lc.Supervisor(box, FAILS_TWICE, policy).run() == BAD


@pytest.mark.needs("root", "rootfs")
def test_under_asyncio_it_is_the_same(make: Make) -> None:
    policy = lc.RestartPolicy(delay_seconds=0.01)
    with make() as box:
        supervisor = lc.Supervisor(box, FAILS_TWICE, policy)
        assert asyncio.run(asyncio.wait_for(supervisor.arun(), 60)) == GOOD
        assert supervisor.restarts == 2


@pytest.mark.needs("root", "rootfs")
def test_a_supervisor_can_be_stopped(make: Make) -> None:
    with make() as box:
        sleeper = lc.Process(["sleep", "1000"])
        supervisor = lc.Supervisor(box, sleeper, lc.RestartPolicy(when="always"))
        timer = threading.Timer(0.5, supervisor.stop)
        timer.start()
        assert supervisor.run() == ExitStatus(signal=9)
        timer.join()
        assert supervisor.restarts == 0
        assert box.status() is Status.STOPPED


@pytest.mark.needs("root", "rootfs")
@pytest.mark.parametrize("way", ["run", "arun"])
def test_one_that_is_stopped_does_not_wait_for_its_next_try(
    make: Make, way: str
) -> None:
    policy = lc.RestartPolicy(delay_seconds=1000, max_delay_seconds=1000)
    failed = threading.Event()

    def stop(supervisor: lc.Supervisor) -> None:
        failed.wait()
        supervisor.stop()

    with make() as box:
        fails = lc.Process(["sh", "-c", "exit 7"])
        supervisor = lc.Supervisor(box, fails, policy, lambda _: failed.set())
        stopper = threading.Thread(target=stop, args=(supervisor,))
        stopper.start()
        if way == "run":
            assert supervisor.run() == ExitStatus(code=7)
        else:
            assert asyncio.run(supervisor.arun()) == ExitStatus(code=7)
        stopper.join()
        assert supervisor.restarts == 0


@pytest.mark.needs("root", "rootfs")
def test_one_that_was_stopped_before_it_begins_ends_what_it_starts(make: Make) -> None:
    with make() as box:
        policy = lc.RestartPolicy(when="always")
        supervisor = lc.Supervisor(box, lc.Process(["sleep", "1000"]), policy)
        supervisor.stop()
        assert supervisor.run() == ExitStatus(signal=9)


@pytest.mark.needs("root", "rootfs")
def test_what_cannot_be_started_is_an_error_at_once(make: Make) -> None:
    with make() as box:
        supervisor = lc.Supervisor(box, lc.Process(["/nothing"]))
        with pytest.raises(lc.ProgramNotFoundError):
            supervisor.run()
        assert supervisor.restarts == 0
