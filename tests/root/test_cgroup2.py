# SPDX-License-Identifier: Apache-2.0
"""Cgroup v2 with every controller: joins, freezer, kill, controllers, delegation."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.cgroups.hierarchy import CgroupMode, read_hierarchies
from libcontainer.status import Status
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs", "controllers2")

MOUNT = Path("/sys/fs/cgroup")
SLEEPER = lc.Process(["sleep", "1000"])
Make = Callable[..., lc.Container]


@pytest.fixture
def make(factory: lc.Factory, busybox_rootfs: Path) -> Make:
    """Make a container; keywords are fields of its configuration."""

    def create(**fields: Any) -> lc.Container:
        fields.setdefault("rootfs", lc.Overlay(str(busybox_rootfs)))
        return factory.create(new_id(), lc.Config(**fields))

    return create


@pytest.fixture
def folder() -> Iterator[Path]:
    """A cgroup of the test's own."""
    path = MOUNT / f"lc-test-{os.getpid()}"
    path.mkdir()
    yield path
    for below in sorted(path.rglob("*"), reverse=True):
        if below.is_dir():
            below.rmdir()
    path.rmdir()


def home(box: lc.Container) -> Path:
    """The one directory of a container's cgroup."""
    assert list(box.state().cgroup) == [""]
    return Path(box.state().cgroup[""])


def words(path: Path) -> set[str]:
    return set(path.read_text().split())


def test_the_mode_is_that_of_v2_alone() -> None:
    assert read_hierarchies().mode is CgroupMode.UNIFIED


def test_init_is_born_in_its_cgroup(make: Make) -> None:
    shared = lc.Config().namespaces - {lc.NamespaceType.CGROUP}
    with make(namespaces=shared) as box:
        look = lc.Process(["cat", "/proc/self/cgroup"], stdout=lc.PIPE)
        assert "clone3" in box.explain(look) or "cgroup" in box.explain(look)
        with box.run(look) as process:
            out, _ = process.communicate()
        assert f"0::/{home(box).name}\n".encode() in (out or b"")


def test_what_joins_is_in_it_and_sees_itself_at_the_root(make: Make) -> None:
    with make() as box:
        init = box.run(SLEEPER)
        look = lc.Process(["cat", "/proc/self/cgroup"], stdout=lc.PIPE)
        with box.exec(look) as process:
            assert process.communicate()[0] == b"0::/\n"
        assert box.processes() == [init.host_pid]


def test_controllers_are_enabled_all_the_way_down(make: Make, folder: Path) -> None:
    path = f"/{folder.name}/a/b/box"
    resources = lc.Resources(memory="64M", pids=9, cpu_shares=512)
    with make(cgroups_path=path, resources=resources) as box:
        box.run(SLEEPER)
        assert (home(box) / "memory.max").read_text() == f"{64 << 20}\n"
        for parent in (folder, folder / "a", folder / "a" / "b"):
            assert {"memory", "pids", "cpu"} <= words(parent / "cgroup.subtree_control")
    # Those that were there before stay, those made on the way are gone.
    assert folder.is_dir()
    assert not (folder / "a").exists()


def test_below_a_cgroup_with_processes_a_limit_is_refused(
    make: Make, folder: Path
) -> None:
    path = f"/{folder.name}/box"
    other = subprocess.Popen(["sleep", "1000"])
    try:
        (folder / "cgroup.procs").write_text(str(other.pid))
        with make(cgroups_path=path, resources=lc.Resources(memory="64M")) as box:
            with pytest.raises(lc.CgroupError, match=r"memory\.max") as caught:
                box.run(SLEEPER)
            assert "has processes of its own" in (caught.value.hint or "")
            assert not (folder / "box").exists()
        # Those that threads could share would turn it into a threaded one.
        limited = make(cgroups_path=path, resources=lc.Resources(pids=9))
        with limited, pytest.raises(lc.CgroupError, match=r"pids\.max"):
            limited.run(SLEEPER)
        with make(cgroups_path=path) as box:
            box.run(SLEEPER)
            assert (folder / "box" / "cgroup.type").read_text() == "domain\n"
        assert (folder / "cgroup.type").read_text() == "domain\n"
        assert words(folder / "cgroup.subtree_control") == set()
    finally:
        other.kill()
        other.wait()


def test_a_threaded_cgroup_is_entered(make: Make, folder: Path) -> None:
    (folder / "domain").mkdir()
    (folder / "domain" / "first").mkdir()
    (folder / "domain" / "first" / "cgroup.type").write_text("threaded")
    with make(cgroups_path=f"/{folder.name}/domain/box") as box:
        init = box.run(SLEEPER)
        assert (home(box) / "cgroup.type").read_text() == "threaded\n"
        assert box.processes() == [init.host_pid]
        assert box.exec(lc.Process(["true"])).wait() == lc.ExitStatus(code=0)
        box.pause()
        assert box.status() is Status.PAUSED
        box.resume()
        # The kernel kills no threaded cgroup in one step.
        box.delete(force=True)
        assert init.wait(10) == lc.ExitStatus(signal=9)


def test_a_paused_container_stands_still_and_goes_on(make: Make) -> None:
    with make() as box:
        box.run(lc.Process(["sh", "-c", "while :; do :; done"]))
        box.pause()
        assert box.status() is Status.PAUSED
        assert "frozen 1" in (home(box) / "cgroup.events").read_text()
        before = box.stats().cpu.usage
        time.sleep(0.5)
        assert box.stats().cpu.usage == before
        box.resume()
        assert box.status() is Status.RUNNING
        time.sleep(0.5)
        assert box.stats().cpu.usage > before


def test_every_process_is_killed_in_one_step_also_a_paused_one(make: Make) -> None:
    with make() as box:
        bomb = "for i in $(seq 20); do sleep 1000 & done; wait"
        init = box.run(lc.Process(["sh", "-c", bomb]))
        while len(box.processes()) < 21:
            time.sleep(0.01)
        pids = box.processes()
        box.pause()
        box.delete(force=True)
        assert init.wait(10) == lc.ExitStatus(signal=9)
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_frozen_cgroup_is_refused(make: Make, folder: Path) -> None:
    with make(cgroups_path=f"/{folder.name}/box") as box:
        (folder / "cgroup.freeze").write_text("1")
        with pytest.raises(lc.CgroupError, match="EBUSY") as caught:
            box.run(SLEEPER)
        assert "thaw it first" in (caught.value.hint or "")
        (folder / "cgroup.freeze").write_text("0")
        assert not (folder / "box").exists()


def test_a_cgroup_with_processes_is_refused(make: Make, folder: Path) -> None:
    (folder / "box").mkdir()
    other = subprocess.Popen(["sleep", "1000"])
    try:
        (folder / "box" / "cgroup.procs").write_text(str(other.pid))
        with make(cgroups_path=f"/{folder.name}/box") as box:
            with pytest.raises(lc.CgroupError, match="processes in it already"):
                box.run(SLEEPER)
            assert other.poll() is None
    finally:
        other.kill()
        other.wait()
        (folder / "box").rmdir()


def test_too_much_memory_is_an_oom_kill(make: Make) -> None:
    limits = lc.Resources(memory="16M", memory_swap="16M", oom_group=True)
    with make(resources=limits) as box:
        fill = "x=$(head -c 67108864 /dev/zero | tr '\\0' x); echo survived"
        process = box.run(lc.Process(["sh", "-c", fill], stdout=lc.PIPE))
        out, _ = process.communicate()
        assert b"survived" not in (out or b"")
        assert box.stats().memory.oom_kills >= 1
        assert (home(box) / "memory.swap.max").read_text() == "0\n"
        process.close()


def test_no_more_processes_than_allowed(make: Make) -> None:
    with make(resources=lc.Resources(pids=8)) as box:
        script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done; echo done"
        process = box.run(
            lc.Process(["sh", "-c", script], stdout=lc.PIPE, stderr=lc.STDOUT)
        )
        out, _ = process.communicate()
        assert b"can't fork" in (out or b"")
        process.close()


def test_a_quota_of_processor_time_holds(make: Make) -> None:
    with make(resources=lc.Resources(cpu_quota=10000)) as box:
        box.run(lc.Process(["sh", "-c", "while :; do :; done"]))
        before, start = box.stats().cpu, time.monotonic()
        time.sleep(2.0)
        after, seconds = box.stats().cpu, time.monotonic() - start
        assert 0.01 < (after.usage - before.usage) / 1e9 / seconds < 0.4
        assert after.throttled_periods > before.throttled_periods


def test_limits_change_live_or_not_at_all(make: Make) -> None:
    limits = lc.Resources(memory="64M", pids=50)
    with make(resources=limits) as box:
        box.run(SLEEPER)
        box.update(lc.Resources(memory="32M", pids=20, memory_high="24M"))
        assert box.stats().memory.limit == 32 << 20
        with pytest.raises(lc.CgroupError, match=r"cpuset\.cpus"):
            box.update(lc.Resources(pids=10, cpuset_cpus="4000"))
        assert (home(box) / "pids.max").read_text() == "20\n"
        assert (home(box) / "memory.high").read_text() == f"{24 << 20}\n"


def test_a_container_makes_cgroups_and_others_still_join(make: Make) -> None:
    cgroup = lc.Mount(destination="/sys/fs/cgroup", type="cgroup")
    script = (
        "cd /sys/fs/cgroup && mkdir init && echo 0 > init/cgroup.procs &&"
        " echo +memory > cgroup.subtree_control && echo ready && exec sleep 1000"
    )
    with make(mounts=[cgroup]) as box:
        init = box.run(lc.Process(["sh", "-c", script], stdout=lc.PIPE))
        assert init.stdout is not None
        assert init.stdout.readline() == b"ready\n"
        look = lc.Process(["cat", "/proc/self/cgroup"], stdout=lc.PIPE)
        with box.exec(look) as process:
            assert process.communicate()[0] == b"0::/init\n"


def test_one_who_pauses_itself_is_refused(folder: Path) -> None:
    from libcontainer.cgroups.group import Group

    own = folder / "self"
    own.mkdir()
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    before = MOUNT / next(ln[4:] for ln in lines if ln.startswith("0::/"))
    (own / "cgroup.procs").write_text("0")
    try:
        with pytest.raises(lc.CgroupError, match="would stop too"):
            Group({"": str(own)}).freeze()
        assert (own / "cgroup.freeze").read_text() == "0\n"
    finally:
        (before / "cgroup.procs").write_text("0")
