# SPDX-License-Identifier: Apache-2.0
"""The monitor dies, stops or is told something else: what follows from it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import libcontainer as lc
from libcontainer.plan.monitor import HandOver
from libcontainer.plan.steps import RecordState
from tests.faults.launches import PROGRAM, SLEEPER, Launches, make
from tests.faults.tables import tables_of

pytestmark = pytest.mark.needs("root", "rootfs")

_KILLS = 20


def _monitor(host_pid: int) -> int:
    stat = Path(f"/proc/{host_pid}/stat").read_text().rpartition(")")[2].split()
    return int(stat[1])


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    # Whoever is above the tests reaps it.
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.002)


@pytest.fixture
def detached(factory: lc.Factory, busybox_rootfs: Path) -> Launches:
    """A container that is run below a monitor."""
    return make(factory, busybox_rootfs, "run below a monitor")


@pytest.mark.parametrize("step", [RecordState, HandOver])
def test_a_monitor_killed_before_it_has_the_container_undoes_the_launch(
    detached: Launches, monkeypatch: pytest.MonkeyPatch, step: type
) -> None:
    (runners,) = tables_of(step)
    original = runners[step]

    def runner(acting: object, launch: object, action: object) -> None:
        _kill(_monitor(launch.host_pid))  # type: ignore[attr-defined]
        original(acting, launch, action)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, detached.container:
        patch.setitem(runners, step, runner)
        with pytest.raises((lc.HelperError, lc.StepError)):
            detached.start(PROGRAM)
        detached.check_undone()
        patch.undo()
        detached.check_works()


def test_a_monitor_killed_just_after_the_hand_over_leaves_init_to_us(
    detached: Launches, monkeypatch: pytest.MonkeyPatch
) -> None:
    (runners,) = tables_of(HandOver)
    original = runners[HandOver]

    def runner(acting: object, launch: object, action: object) -> None:
        pid = _monitor(launch.host_pid)  # type: ignore[attr-defined]
        original(acting, launch, action)  # type: ignore[arg-type]
        _kill(pid)

    with detached.container as container:
        monkeypatch.setitem(runners, HandOver, runner)
        handle = detached.start(SLEEPER)
        assert container.status() is lc.Status.RUNNING
        handle.kill()
        assert handle.wait(20) in (lc.ExitStatus(), lc.ExitStatus(signal=9))


def test_a_monitor_killed_at_any_time_never_blocks_wait_or_delete(
    factory: lc.Factory, detached: Launches
) -> None:
    config = detached.container.config
    detached.container.delete(force=True)
    chance = random.Random(20260717)
    script = "i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo line $i; done; exit 7"
    for number in range(_KILLS):
        with factory.create(f"box-{number}", config) as container:
            handle = container.run(lc.Process(["sh", "-c", script]), detach=True)
            record = container.state().monitor
            assert record is not None
            time.sleep(chance.uniform(0.0, 0.01))
            # It may have done its work already.
            if Path(f"/proc/{record.host_pid}").exists():
                with contextlib.suppress(ProcessLookupError):
                    _kill(record.host_pid)
            # Without the monitor its pipe has no reader: SIGPIPE is the end then.
            ends = (lc.ExitStatus(), lc.ExitStatus(code=7), lc.ExitStatus(signal=13))
            assert handle.wait(20) in ends
            assert container.status() is lc.Status.STOPPED


# Whoever is above an orphan may be slow to reap it: here it is the caller itself.
_LATE = """
import ctypes, os, sys, threading, time
import libcontainer as lc
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
config = lc.Config(rootfs=lc.Overlay(sys.argv[2]))
with lc.Factory(sys.argv[1]) as factory, factory.create("box", config) as container:
    sleeper = lc.Process(["sleep", "1000"], stdin=lc.DEVNULL)
    handle = container.run(sleeper, detach=True)
    monitor = container.state().monitor.host_pid
    os.kill(monitor, 9)
    os.waitpid(monitor, 0)
    def reap():
        time.sleep(0.3)
        os.waitpid(handle.host_pid, 0)
    thread = threading.Thread(target=reap)
    thread.start()
    handle.kill()
    print(handle.wait(20).signal)
    thread.join()
"""


@pytest.mark.needs("exit_info")
def test_how_init_ended_is_known_though_nobody_has_reaped_it_yet(
    state_root: Path, busybox_rootfs: Path
) -> None:
    """Between its end and that the kernel tells its status to nobody else."""
    words = [sys.executable, "-c", _LATE, str(state_root), str(busybox_rootfs)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("9\n", "")


def test_who_connects_and_says_nothing_or_rubbish_changes_nothing(
    detached: Launches,
) -> None:
    with detached.container as container:
        handle = container.run(SLEEPER, detach=True)
        for rubbish in (b"", b"x" * 16, b"x" * 60000):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
                other.connect(f"{container.path}/attach")
                if rubbish:
                    other.send(rubbish)
        with container.attach():
            assert container.status() is lc.Status.RUNNING
        handle.kill()
        assert handle.wait(20) == lc.ExitStatus(signal=9)


def test_an_exit_record_that_somebody_put_there_is_replaced(
    detached: Launches,
) -> None:
    with detached.container as container:
        handle = container.run(SLEEPER, detach=True)
        Path(container.path, "exit").write_bytes(b"x" * 32)
        handle.kill()
        assert handle.wait(20) == lc.ExitStatus(signal=9)
        assert container.wait() == lc.ExitStatus(signal=9)


# The monitor is the second process that the caller comes to have below it.
_BLIND = """
import errno, sys, tempfile
from pathlib import Path
from tests.campaigns.arena import Arena, Strike
from tests.campaigns.calls import baseline
with tempfile.TemporaryDirectory(prefix="lctests-") as folder:
    arena = Arena(Path(folder))
    calls = baseline(arena, "run", "detached").calls[2]
    strike = Strike(2, calls.index("signalfd4") + 1, str(errno.EMFILE))
    result = arena.attempt("run", "detached", strike)
    print(result.struck, result.hung, result.outcome.get("error"), arena._removed())
    arena.factory.close()
"""


@pytest.mark.needs("compiler")
def test_a_monitor_that_cannot_see_inits_end_is_no_monitor() -> None:
    """No descriptor is left for it: the launch is refused, nobody waits for ever."""
    root = Path(__file__).resolve().parents[2]
    words = [sys.executable, "-W", "ignore", "-c", _BLIND]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("signalfd4 False HelperError []\n", "")
