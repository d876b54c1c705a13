# SPDX-License-Identifier: Apache-2.0
"""v1 and v2 side by side: each is used for what it has."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import libcontainer as lc
from libcontainer.status import Status
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs", "hybrid")

SLEEPER = lc.Process(["sleep", "1000"])


@pytest.fixture
def box(state_root: Path, busybox_rootfs: Path) -> Iterator[lc.Container]:
    """A container with a limit, in the hierarchies of both versions."""
    state_root.chmod(0o700)
    config = lc.Config(
        rootfs=lc.Overlay(str(busybox_rootfs)), resources=lc.Resources(pids=40)
    )
    with lc.Factory(state_root, cgroups="hybrid") as factory:
        with factory.create(new_id(), config) as made:
            yield made
        assert factory.list() == []


def home(box: lc.Container, name: str) -> Path:
    paths = box.state().cgroup
    return Path(next(path for key, path in paths.items() if name in key.split(",")))


def test_init_and_who_joins_are_in_both(box: lc.Container) -> None:
    init = box.run(SLEEPER)
    other = box.exec(SLEEPER)
    pids = {str(init.host_pid), str(other.host_pid)}
    for name in ("", "pids", "memory"):
        assert set((home(box, name) / "cgroup.procs").read_text().split()) == pids
    assert (home(box, "pids") / "pids.max").read_text() == "40\n"
    look = lc.Process(["cat", "/proc/self/cgroup"], stdout=lc.PIPE)
    with box.exec(look) as process:
        lines = (process.communicate()[0] or b"").decode().splitlines()
    assert all(line.endswith(":/") for line in lines)


def test_v2_freezes_and_tells(box: lc.Container) -> None:
    box.run(lc.Process(["sh", "-c", "while :; do :; done"]))
    box.pause()
    assert box.status() is Status.PAUSED
    assert "frozen 1" in (home(box, "") / "cgroup.events").read_text()
    assert (home(box, "freezer") / "freezer.state").read_text() == "THAWED\n"
    before = box.stats().cpu.usage
    time.sleep(0.2)
    assert box.stats().cpu.usage == before
    box.resume()
    assert box.status() is Status.RUNNING


def test_v2_kills_in_one_step(box: lc.Container) -> None:
    init = box.run(
        lc.Process(["sh", "-c", "for i in 1 2 3; do sleep 1000 & done; wait"])
    )
    while len(box.processes()) < 4:
        time.sleep(0.01)
    pids = box.processes()
    box.pause()
    box.delete(force=True)
    assert init.wait(5) == lc.ExitStatus(signal=9)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_what_somebody_has_frozen_by_v1_ends_too(box: lc.Container) -> None:
    init = box.run(SLEEPER)
    (home(box, "freezer") / "freezer.state").write_text("FROZEN")
    box.delete(force=True)
    assert init.wait(5) == lc.ExitStatus(signal=9)


def test_nothing_is_left_of_any(box: lc.Container) -> None:
    box.run(SLEEPER)
    paths = [Path(path) for path in box.state().cgroup.values()]
    assert all(path.is_dir() for path in paths)
    box.delete(force=True)
    assert not any(path.exists() for path in paths)


def test_a_target_in_use_in_one_of_them_is_refused(box: lc.Container) -> None:
    path = home(box, "")
    path.mkdir()
    other = subprocess.Popen(["sleep", "1000"])
    try:
        (path / "cgroup.procs").write_text(str(other.pid))
        with pytest.raises(lc.CgroupError, match="processes in it already"):
            box.run(SLEEPER)
        assert not home(box, "pids").exists()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
        path.rmdir()


def test_a_monitor_stays_outside(box: lc.Container) -> None:
    box.run(lc.Process(["sh", "-c", "exit 3"]), detach=True)
    assert box.wait(10) == lc.ExitStatus(code=3)
