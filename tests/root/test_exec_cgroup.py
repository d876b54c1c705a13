# SPDX-License-Identifier: Apache-2.0
"""A further process in a cgroup below the container's, with limits of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import libcontainer as lc
from libcontainer.cgroups.group import Group
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

SLEEPER = lc.Process(["sleep", "1000"])
LOOK = ["cat", "/proc/self/cgroup"]


@pytest.fixture
def box(factory: lc.Factory, busybox_rootfs: Path) -> Iterator[lc.Container]:
    """A running container that sees the host's cgroups."""
    shared = lc.Config().namespaces - {lc.NamespaceType.CGROUP}
    rootfs = lc.Overlay(str(busybox_rootfs))
    with factory.create(new_id(), lc.Config(rootfs=rootfs, namespaces=shared)) as made:
        made.run(SLEEPER)
        yield made


def said(box: lc.Container, process: lc.Process) -> str:
    with box.exec(process) as handle:
        out, _ = handle.communicate()
    return (out or b"").decode()


def folder(box: lc.Container, controller: str) -> Path:
    return Path(Group(box.state().cgroup).directory(controller) or "")


def test_it_enters_a_cgroup_that_is_there(box: lc.Container) -> None:
    for path in box.state().cgroup.values():
        Path(path, "work").mkdir()
        cpus = Path(path, "work", "cpuset.cpus")
        if cpus.exists() and "unified" not in path and list(box.state().cgroup) != [""]:
            for name in ("cpuset.cpus", "cpuset.mems"):
                text = Path(path, name).read_text()
                Path(path, "work", name).write_text(text)
    text = said(box, lc.Process(LOOK, stdout=lc.PIPE, cgroup="work"))
    inside = [line for line in text.splitlines() if line.endswith(f"{box.id}/work")]
    assert len(inside) == len(box.state().cgroup)


def test_the_containers_own_may_be_named(box: lc.Container) -> None:
    own = said(box, lc.Process(LOOK, stdout=lc.PIPE))
    assert said(box, lc.Process(LOOK, stdout=lc.PIPE, cgroup=".")) == own


@pytest.mark.needs("controllers2")
def test_what_is_named_is_not_exchanged_for_where_init_is(box: lc.Container) -> None:
    # Limits of its own: those of the container move to a cgroup below.
    limited = lc.Process(["true"], resources=lc.Resources(pids=7))
    assert box.exec(limited).wait() == lc.ExitStatus(code=0)
    text = said(box, lc.Process(LOOK, stdout=lc.PIPE))
    assert text.strip().endswith("/main")
    with pytest.raises(lc.StepError, match="EBUSY"):
        box.exec(lc.Process(LOOK, cgroup="."))


def test_one_that_is_not_there_is_refused(box: lc.Container) -> None:
    with pytest.raises(lc.CgroupError, match="ENOENT"):
        box.exec(lc.Process(LOOK, cgroup="nowhere"))


@pytest.mark.parametrize("path", ["../evil", "/abs", "a/../..", "", "a//b", "./a"])
def test_a_path_that_leads_out_is_refused(box: lc.Container, path: str) -> None:
    with pytest.raises(lc.ConfigError, match=r"process\.cgroup"):
        box.exec(lc.Process(LOOK, cgroup=path))


def test_its_limits_are_its_own(box: lc.Container) -> None:
    limits = lc.Resources(memory="16M", memory_swap="16M", pids=10)
    fill = "x=$(head -c 67108864 /dev/zero | tr '\\0' x); echo survived"
    text = said(box, lc.Process(["sh", "-c", fill], stdout=lc.PIPE, resources=limits))
    assert "survived" not in text
    # The container itself has no limit, and its init lives.
    assert said(box, lc.Process(["sh", "-c", fill], stdout=lc.PIPE)) == "survived\n"
    assert box.status() is lc.Status.RUNNING
    left = [p.name for p in folder(box, "memory").iterdir() if p.is_dir()]
    assert not [name for name in left if name.startswith("exec-")]


def test_it_has_its_limits_while_it_runs(box: lc.Container) -> None:
    limits = lc.Resources(pids=7)
    process = box.exec(lc.Process(["sleep", "1000"], resources=limits))
    (own,) = folder(box, "pids").glob("exec-*")
    assert (own / "pids.max").read_text() == "7\n"
    assert str(process.host_pid) in (own / "cgroup.procs").read_text().split()
    assert process.host_pid in box.processes()
    # Who joins without limits is beside it, and the container can still be paused.
    other = box.exec(SLEEPER)
    assert str(other.host_pid) not in (own / "cgroup.procs").read_text().split()
    box.pause()
    assert box.status() is lc.Status.PAUSED
    box.resume()
    process.kill()
    process.wait()
    assert not own.exists()


def test_what_a_process_left_running_goes_once_it_has_ended(
    box: lc.Container,
) -> None:
    limits = lc.Resources(pids=7)
    script = ["sh", "-c", "sleep 2 & exit 0"]
    assert box.exec(lc.Process(script, resources=limits)).wait().code == 0
    (own,) = folder(box, "pids").glob("exec-*")
    with box.exec(lc.Process(["true"], resources=limits)):
        assert own.exists()
    deadline = time.monotonic() + 20
    while (own / "cgroup.procs").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with box.exec(lc.Process(["true"], resources=limits)):
        assert not own.exists()


def test_a_refused_limit_leaves_nothing(box: lc.Container) -> None:
    before = {
        path for p in box.state().cgroup.values() for path in Path(p).glob("exec-*")
    }
    limits = lc.Resources(pids=7, cpuset_cpus="4000")
    with pytest.raises(lc.CgroupError, match=r"cpuset\.cpus"):
        box.exec(lc.Process(LOOK, resources=limits))
    after = {
        path for p in box.state().cgroup.values() for path in Path(p).glob("exec-*")
    }
    assert before == after == set()
    assert box.status() is lc.Status.RUNNING


def test_a_program_that_is_not_there_leaves_nothing(box: lc.Container) -> None:
    with pytest.raises(lc.ProgramNotFoundError):
        box.exec(lc.Process(["/nothing"], resources=lc.Resources(pids=7)))
    assert not list(folder(box, "pids").glob("exec-*"))


def test_init_has_no_limits_but_the_containers(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))
    with factory.create(new_id(), config) as made:
        with pytest.raises(lc.ConfigError, match=r"process\.resources"):
            made.run(lc.Process(["true"], resources=lc.Resources(pids=7)))
        with pytest.raises(lc.ConfigError, match=r"resources\.devices"):
            rule = lc.DeviceRule(allow=True, type="c", major=10)
            limits = lc.Resources(devices=[rule])
            made.run(lc.Process(["true"], resources=limits))


@pytest.mark.needs("controllers2")
def test_it_follows_an_init_that_has_left_and_removed_its_cgroup(
    box: lc.Container,
) -> None:
    (path,) = box.state().cgroup.values()
    other = Path(f"{path}-left")
    other.mkdir()
    try:
        for pid in box.processes():
            (other / "cgroup.procs").write_text(str(pid))
        Path(path).rmdir()
        text = said(box, lc.Process(LOOK, stdout=lc.PIPE))
        assert text.strip().endswith(other.name)
        box.delete(force=True)
    finally:
        other.rmdir()
