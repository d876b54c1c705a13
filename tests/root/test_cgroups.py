# SPDX-License-Identifier: Apache-2.0
"""Limits that bite, measures that are right, a freezer that holds: for real."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import libcontainer as lc
from libcontainer.cgroups.group import Group
from libcontainer.cgroups.hierarchy import CgroupMode, read_hierarchies
from libcontainer.cgroups.strategy import Cgroupfs
from libcontainer.status import Status
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

SLEEPER = lc.Process(["sleep", "1000"])
Make = Callable[..., lc.Container]


@pytest.fixture
def make(factory: lc.Factory, busybox_rootfs: Path) -> Make:
    """Make a container with limits."""

    def create(**limits: object) -> lc.Container:
        resources = lc.Resources(**limits)  # type: ignore[arg-type]
        config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), resources=resources)
        return factory.create(new_id(), config)

    return create


def output(container: lc.Container, *args: str) -> str:
    """Run a program to its end and return what it said."""
    process = container.run(lc.Process(args, stdout=lc.PIPE, stderr=lc.STDOUT))
    with process:
        out, _ = process.communicate()
    return (out or b"").decode()


def directories(container: lc.Container) -> list[Path]:
    """The directories of a container's cgroup."""
    return [Path(path) for path in container.state().cgroup.values()]


def pids_directory(container: lc.Container) -> Path:
    """The one that has the files of the pids controller."""
    found = Group(container.state().cgroup).directory("pids")
    assert found is not None
    return Path(found)


def test_the_program_is_in_the_cgroup_from_its_first_instruction(make: Make) -> None:
    with make() as box:
        # Without a cgroup namespace in between: seen from the host.
        init = box.run(SLEEPER)
        seen = Path(f"/proc/{init.host_pid}/cgroup").read_text()
        for path in box.state().cgroup.values():
            assert seen.count(f"/libcontainer-{box.id}\n") == len(box.state().cgroup)
            assert str(init.host_pid) in Path(path, "cgroup.procs").read_text().split()


def test_inside_the_cgroup_is_the_root(make: Make) -> None:
    with make() as box:
        lines = output(box, "cat", "/proc/self/cgroup").splitlines()
        # Beside v1 it has no cgroup of its own in v2.
        both = len(lines) > 1
        own = [line for line in lines if not (both and line.startswith("0::"))]
        assert own
        assert all(line.endswith(":/") for line in own)


def test_what_joins_is_in_the_cgroup(make: Make) -> None:
    with make() as box:
        init = box.run(SLEEPER)
        other = box.exec(SLEEPER)
        assert {init.host_pid, other.host_pid} <= set(box.processes())
        assert "libcontainer-" in Path(f"/proc/{other.host_pid}/cgroup").read_text()


def test_the_cgroup_is_joined_before_the_program_looks(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    # Without a cgroup namespace in between it sees where it is itself.
    shared = lc.Config().namespaces - {lc.NamespaceType.CGROUP}
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), namespaces=shared)
    look = lc.Process(["cat", "/proc/self/cgroup"], stdout=lc.PIPE)
    with factory.create(new_id(), config) as box:
        box.prepare(SLEEPER)
        paths = box.state().cgroup
        for _ in range(20):
            with box.exec(look) as process:
                lines = (process.communicate()[0] or b"").decode().splitlines()
            inside = [ln for ln in lines if ln.endswith(f"/libcontainer-{box.id}")]
            assert len(inside) == len(paths)


def test_parents_that_had_to_be_made_go_with_the_last_in_them(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    def create(path: str) -> lc.Container:
        rootfs = lc.Overlay(str(busybox_rootfs))
        return factory.create(new_id(), lc.Config(rootfs=rootfs, cgroups_path=path))

    with create("lc-top/a/first") as first, create("lc-top/a/second") as second:
        tops = [path.parents[1] for path in directories(first)]
        assert not any(path.exists() for path in tops)
        # One that was there before is somebody's, and stays.
        kept = pids_directory(first).parents[1]
        kept.mkdir()
        first.run(SLEEPER)
        second.run(SLEEPER)
        first.delete(force=True)
        assert all((path / "a" / "second").is_dir() for path in tops)
        second.delete(force=True)
        left = [path for path in tops if path.exists()]
        below = (kept / "a").exists()
        kept.rmdir()
        assert (left, below) == ([kept], False)


def test_a_cgroup_that_is_still_in_use_is_removed_once_it_is_not() -> None:
    paths = Cgroupfs().place("busy", lc.Config()).paths
    name = "pids" if "pids" in paths else ""
    path = Path(paths[name])
    group = Group({name: str(path)})
    group.make(())
    with subprocess.Popen(["sleep", "0.5"]) as process:
        (path / "cgroup.procs").write_text(str(process.pid))
        with pytest.raises(lc.CgroupError, match="EBUSY"):
            group.remove(timeout=0)
        reaper = threading.Thread(target=process.wait)
        reaper.start()
        group.remove(timeout=10)
        reaper.join()
    assert not path.exists()


def test_nothing_is_left_of_the_cgroup(make: Make) -> None:
    with make() as box:
        box.run(SLEEPER)
        paths = directories(box)
        assert all(path.is_dir() for path in paths)
    assert not any(path.exists() for path in paths)


def test_too_much_memory_is_an_oom_kill_that_is_counted(make: Make) -> None:
    with make(memory="16M", memory_swap="16M") as box:
        fill = "x=$(head -c 67108864 /dev/zero | tr '\\0' x); echo survived"
        process = box.run(lc.Process(["sh", "-c", fill], stdout=lc.PIPE))
        out, _ = process.communicate()
        assert b"survived" not in (out or b"")
        process.close()
        found = box.stats().memory
        assert found.oom_kills >= 1
        assert found.limit == 16 << 20
        assert 8 << 20 < (found.peak or 0) <= 16 << 20


def test_no_more_processes_than_allowed(make: Make) -> None:
    with make(pids=8) as box:
        script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done; echo done"
        said = output(box, "sh", "-c", script)
        assert "can't fork" in said
        assert box.stats().pids.limit == 8
        assert box.stats().pids.failures >= 1


def test_a_quota_of_processor_time_holds(make: Make) -> None:
    with make(cpu_quota=10000, cpu_period=100000) as box:
        box.run(lc.Process(["sh", "-c", "while :; do :; done"]))
        before, start = box.stats().cpu, time.monotonic()
        time.sleep(1.0)
        after, seconds = box.stats().cpu, time.monotonic() - start
        share = (after.usage - before.usage) / 1e9 / seconds
        # A busy loop takes a whole processor where nothing holds it back.
        assert 0.02 < share < 0.3
        assert after.throttled_periods > before.throttled_periods


def test_only_the_given_processors_are_used(make: Make) -> None:
    with make(cpuset_cpus=[0]) as box:
        said = output(box, "grep", "Cpus_allowed_list", "/proc/self/status")
        assert said.split() == ["Cpus_allowed_list:", "0"]


def test_a_device_that_a_rule_denies_is_refused(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    rules = [lc.DeviceRule(allow=False, type="c", major=1, minor=5, access="rw")]
    command = ["sh", "-c", "cat /dev/null && echo null; head -c1 /dev/zero >/dev/null"]
    for resources, refused in (
        (lc.Resources(), False),
        (lc.Resources(devices=rules), True),
    ):
        rootfs = lc.Overlay(str(busybox_rootfs))
        config = lc.Config(rootfs=rootfs, resources=resources)
        with factory.create(new_id(), config) as box:
            said = output(box, *command)
            assert said.startswith("null\n")
            assert ("Operation not permitted" in said) == refused


def test_rules_are_added_to_a_running_container(make: Make) -> None:
    read = ["sh", "-c", "head -c1 /dev/zero >/dev/null 2>&1; echo $?"]
    with make() as box:
        box.run(SLEEPER)
        assert output(box, *read) == "0\n"
        zero = {"type": "c", "major": 1, "minor": 5}
        box.update(lc.Resources(devices=[lc.DeviceRule(allow=False, **zero)]))
        assert output(box, *read) == "1\n"
        box.update(lc.Resources(devices=[lc.DeviceRule(allow=True, **zero)]))
        assert output(box, *read) == "0\n"


def test_a_paused_container_stands_still_and_goes_on(make: Make) -> None:
    with make() as box:
        box.run(lc.Process(["sh", "-c", "while :; do :; done"]))
        box.pause()
        assert box.status() is Status.PAUSED
        before = box.stats().cpu.usage
        time.sleep(0.2)
        assert box.stats().cpu.usage == before
        with pytest.raises(lc.StateError, match="paused"):
            box.pause()
        box.resume()
        assert box.status() is Status.RUNNING
        time.sleep(0.2)
        assert box.stats().cpu.usage > before


def test_a_paused_container_can_be_deleted(make: Make) -> None:
    with make() as box:
        init = box.run(SLEEPER)
        box.pause()
        box.delete(force=True)
        assert init.wait(5) == lc.ExitStatus(signal=9)


def test_a_program_pauses_what_another_has_made(
    make: Make, factory: lc.Factory
) -> None:
    with make() as box:
        box.run(SLEEPER)
        factory.load(box.id).pause()
        assert box.status() is Status.PAUSED
        box.resume()


def test_limits_are_changed_in_a_running_container(make: Make) -> None:
    with make(memory="64M", pids=50) as box:
        box.run(SLEEPER)
        box.update(lc.Resources(memory="32M", pids=20))
        found = box.stats()
        assert (found.memory.limit, found.pids.limit) == (32 << 20, 20)
        box.update(lc.Resources(memory="128M"))
        found = box.stats()
        assert (found.memory.limit, found.pids.limit) == (128 << 20, 20)


def test_a_refused_change_changes_nothing(make: Make) -> None:
    with make(memory="64M", pids=50, cpu_shares=512) as box:
        box.run(SLEEPER)
        with pytest.raises(lc.CgroupError, match=r"EINVAL|EACCES|ERANGE") as caught:
            box.update(lc.Resources(cpu_shares=256, pids=20, cpuset_cpus="4000"))
        if caught.value.errno == errno.ERANGE:
            assert caught.value.hint == (
                "the machine has no processors or nodes of such numbers"
            )
        assert box.stats().pids.limit == 50
        group = Group(box.state().cgroup)
        file, text = ("weight", "59\n") if group.is_unified else ("shares", "512\n")
        assert Path(group.directory("cpu") or "", f"cpu.{file}").read_text() == text


def test_wrong_limits_are_all_told_before_anything_is_made(make: Make) -> None:
    with pytest.raises(lc.ConfigError) as caught:
        make(memory="a lot", pids=-2, cpuset_cpus="a-b", memory_swap=5)
    assert {problem.path for problem in caught.value.problems} == {
        "resources.memory",
        "resources.pids",
        "resources.cpuset_cpus",
    }


def test_a_limit_of_the_other_version_is_refused(make: Make) -> None:
    limits: dict[str, object] = {"memory_high": "1M"}
    if read_hierarchies().mode is CgroupMode.UNIFIED:
        limits = {"memory_swappiness": 5}
    with pytest.raises(lc.UnsupportedError, match=rf"resources\.{next(iter(limits))}"):
        make(**limits)


def test_a_limit_that_the_kernel_refuses_leaves_nothing(
    make: Make, factory: lc.Factory
) -> None:
    with make(cpuset_cpus="4000") as box:
        paths = directories(box)
        with pytest.raises(lc.CgroupError, match=r"cpuset\.cpus") as caught:
            box.run(SLEEPER)
        assert caught.value.stage in {"cgroup", "limits"}
        assert not any(path.exists() for path in paths)
        assert box.status() is Status.CREATING


def test_a_cgroup_with_processes_is_refused(make: Make) -> None:
    with make() as box:
        pids = pids_directory(box)
        pids.mkdir()
        other = subprocess.Popen(["sleep", "1000"])
        try:
            (pids / "cgroup.procs").write_text(str(other.pid))
            with pytest.raises(lc.CgroupError, match="processes in it already"):
                box.run(SLEEPER)
            assert other.poll() is None
            assert str(other.pid) in (pids / "cgroup.procs").read_text()
            # Nor does it matter to them that the container goes.
            box.delete(force=True)
            assert other.poll() is None
            assert str(other.pid) in (pids / "cgroup.procs").read_text()
        finally:
            other.kill()
            other.wait()
            pids.rmdir()


def test_sub_cgroups_of_the_container_go_with_it(make: Make) -> None:
    with make() as box:
        init = box.run(SLEEPER)
        inner = [path / "inner" / "most" for path in directories(box)]
        for path in inner:
            path.mkdir(parents=True)
        for path in inner:
            if "cpuset" not in str(path):
                (path / "cgroup.procs").write_text(str(init.host_pid))
        assert init.host_pid in box.processes()
    assert not any(path.exists() for path in inner)


def test_what_shares_the_pid_namespace_ends_with_the_container(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    shared = lc.Config().namespaces - {lc.NamespaceType.PID}
    mounts = [mount for mount in lc.Config().base_mounts if mount.type != "proc"]
    config = lc.Config(
        rootfs=lc.Overlay(str(busybox_rootfs)),
        namespaces=shared,
        base_mounts=mounts,
        masked_paths=(),
        readonly_paths=(),
    )
    with factory.create(new_id(), config) as box:
        init = box.run(lc.Process(["sh", "-c", "sleep 1000 & exit 0"]))
        assert init.wait(5).code == 0
        (left,) = box.processes()
        box.delete(force=True)
        deadline = time.monotonic() + 5
        while os.path.exists(f"/proc/{left}") and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not os.path.exists(f"/proc/{left}")


def test_a_killed_caller_leaves_what_recover_removes(
    state_root: Path, busybox_rootfs: Path
) -> None:
    script = (
        "import os, sys, libcontainer as lc\n"
        "from libcontainer.host import actions\n"
        "make = actions._make_cgroup\n"
        "def kill(*args): make(*args); os.kill(os.getpid(), 9)\n"
        "actions._RUNNERS[actions.MakeCgroup] = kill\n"
        "config = lc.Config(rootfs=lc.Overlay(sys.argv[2]))\n"
        "box = lc.Factory(sys.argv[1]).create('killed', config)\n"
        "print(*box.state().cgroup.values(), flush=True)\n"
        "box.run(lc.Process(['true']))\n"
    )
    state_root.chmod(0o700)
    command = [sys.executable, "-c", script, str(state_root), str(busybox_rootfs)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    paths = [Path(path) for path in done.stdout.split()]
    assert all(path.is_dir() for path in paths)
    with lc.Factory(state_root) as factory:
        assert factory.recover() == ("killed",)
    assert not any(path.exists() for path in paths)
