# SPDX-License-Identifier: Apache-2.0
"""The caller is killed in the middle: the helper ends, the rest can be removed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import libcontainer as lc
from tests import leaks

pytestmark = pytest.mark.needs("root", "rootfs")

_SECONDS = 2.0
_KILLS = 30

# Prints the helper's pid at a HOST step and stops there for good.
_STOPS = """
import sys, time
import libcontainer as lc
from libcontainer.plan import monitor, steps
from tests.faults.tables import tables_of
root, rootfs, user, step, after, detach = sys.argv[1:]
kind = getattr(steps, step, None) or getattr(monitor, step)
factory = lc.Factory(root)
if step == "UseTemplate":
    # The first launch of a factory goes without.
    with factory.create("first", lc.Config(rootfs=lc.Overlay(rootfs))) as box:
        box.run(lc.Process(["true"])).wait()
runners = tables_of(kind)[0]
original = runners[kind]
def runner(*call):
    if after:
        original(*call)
    *_, launch, _ = call
    print(launch.host_pid, flush=True)
    time.sleep(1000)
runners[kind] = runner
wishes = {}
if user:
    wishes["namespaces"] = [*lc.Config().namespaces, "user"]
    wishes["uid_mappings"] = wishes["gid_mappings"] = [lc.IdMapping(0, 100000, 65536)]
config = lc.Config(rootfs=lc.Overlay(rootfs), **wishes)
container = factory.create("killed", config)
container.run(lc.Process(["sleep", "1000"]), detach=bool(detach))
# Whoever reads is not to wait for a step that has not come.
container.delete(force=True)
"""

_WORKS = """
import itertools, sys
import libcontainer as lc
root, rootfs, detach = sys.argv[1:]
config = lc.Config(rootfs=lc.Overlay(rootfs))
with lc.Factory(root) as factory:
    print(flush=True)
    for number in itertools.count():
        container = factory.create(f"box-{number}", config)
        container.prepare(lc.Process(["sleep", "1000"]), detach=bool(detach))
        container.start()
        container.exec(lc.Process(["true"])).wait()
        container.delete(force=True)
"""


@contextmanager
def _caller(script: str, *args: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a script until it says something; kill it at the end of the block."""
    command = [sys.executable, "-W", "ignore", "-c", script, *args]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def _kill_at(
    state_root: Path,
    rootfs: Path,
    step: str,
    *,
    user: bool = False,
    after: bool,
    detach: bool = False,
) -> int:
    """Kill a caller at a step; return the pid of the helper it had, or 0."""
    wishes = (user, step, after, detach)
    words = [w if isinstance(w, str) else "yes" if w else "" for w in wishes]
    with _caller(_STOPS, str(state_root), str(rootfs), *words) as (_, said):
        assert said, "the caller ended before its step"
        helper = int(said)
        if helper:
            assert Path(f"/proc/{helper}").exists()
    return helper


def _wait_gone(pid: int) -> bool:
    """Tell whether a process is gone, at the latest after two seconds."""
    deadline = time.monotonic() + _SECONDS
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("user", [False, True], ids=["plain", "user namespace"])
@pytest.mark.parametrize("step", ["OpenTree", "UseTemplate"])
def test_a_caller_killed_before_it_has_a_helper_is_recovered_from(
    factory: lc.Factory, state_root: Path, busybox_rootfs: Path, step: str, user: bool
) -> None:
    assert _kill_at(state_root, busybox_rootfs, step, user=user, after=True) == 0
    assert factory.load("killed").status() is lc.Status.CREATING
    assert factory.recover() == ("killed",)
    assert os.listdir(state_root) == []


@pytest.mark.parametrize("user", [False, True], ids=["plain", "user namespace"])
def test_a_helper_ends_with_its_caller_before_init_is_recorded(
    factory: lc.Factory, state_root: Path, busybox_rootfs: Path, user: bool
) -> None:
    helper = _kill_at(state_root, busybox_rootfs, "RecordState", user=user, after=False)
    assert _wait_gone(helper)
    assert factory.load("killed").status() is lc.Status.CREATING
    assert factory.recover() == ("killed",)


def test_a_helper_ends_with_its_caller_while_ids_are_mapped(
    factory: lc.Factory, state_root: Path, busybox_rootfs: Path
) -> None:
    helper = _kill_at(state_root, busybox_rootfs, "MapIds", user=True, after=True)
    assert _wait_gone(helper)
    factory.load("killed").delete()


@pytest.mark.parametrize("user", [False, True], ids=["plain", "user namespace"])
def test_a_recorded_init_that_ended_with_its_caller_is_a_stopped_container(
    factory: lc.Factory, state_root: Path, busybox_rootfs: Path, user: bool
) -> None:
    helper = _kill_at(state_root, busybox_rootfs, "RecordState", user=user, after=True)
    assert _wait_gone(helper)
    container = factory.load("killed")
    assert container.status() is lc.Status.STOPPED
    # Its status is there to be read: recover leaves it alone.
    assert factory.recover() == ()
    container.delete()


@pytest.mark.parametrize("user", [False, True], ids=["plain", "user namespace"])
@pytest.mark.parametrize("step", ["MakeMonitorEnds", "RecordState", "HandOver"])
def test_a_caller_killed_before_its_program_runs_leaves_no_monitor(
    factory: lc.Factory, state_root: Path, busybox_rootfs: Path, step: str, user: bool
) -> None:
    before = set(leaks.take().lines["process"])
    helper = _kill_at(
        state_root, busybox_rootfs, step, user=user, after=True, detach=True
    )
    assert helper == 0 or _wait_gone(helper)
    deadline = time.monotonic() + _SECONDS
    while leaks.take().lines["process"] - before:
        assert time.monotonic() < deadline, "the monitor outlives its container"
        time.sleep(0.01)
    if step == "MakeMonitorEnds":
        assert factory.recover() == ("killed",)
        return
    container = factory.load("killed")
    assert container.status() is lc.Status.STOPPED
    if step == "HandOver":
        # The monitor has seen the end of an init that lost its caller.
        assert container.wait() == lc.ExitStatus(code=1)
    container.delete()


def test_the_container_of_a_living_caller_is_not_recovered(
    factory: lc.Factory, state_root: Path, busybox_rootfs: Path
) -> None:
    words = ("", "RecordState", "", "")
    with _caller(_STOPS, str(state_root), str(busybox_rootfs), *words) as (_, said):
        assert factory.recover() == ()
        assert Path(f"/proc/{said}").exists()
    assert _wait_gone(int(said))
    factory.load("killed").delete(force=True)


@pytest.mark.parametrize("detach", ["", "yes"], ids=["plain", "detached"])
def test_a_caller_killed_at_any_time_leaves_nothing_that_cannot_be_removed(
    factory: lc.Factory, state_root: Path, busybox_rootfs: Path, detach: str
) -> None:
    chance = random.Random(20250102)
    before = set(leaks.take().lines["process"])
    for _ in range(_KILLS):
        words = (str(state_root), str(busybox_rootfs), detach)
        with _caller(_WORKS, *words) as (caller, _said):
            time.sleep(chance.uniform(0.0, 0.06))
            caller.send_signal(signal.SIGKILL)
        # A half-made launch ends on its own, what was recorded is removed here.
        factory.recover()
        for container in factory:
            container.delete(force=True)
        assert os.listdir(state_root) == []
        deadline = time.monotonic() + _SECONDS
        while leaks.take().lines["process"] - before:
            assert time.monotonic() < deadline, "a process outlives its container"
            time.sleep(0.01)
