# SPDX-License-Identifier: Apache-2.0
"""A stopped container runs again in its place."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import libcontainer as lc
from libcontainer.status import Status
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

Make = Callable[..., lc.Container]


@pytest.fixture
def make(factory: lc.Factory, busybox_rootfs: Path) -> Make:
    def create(**fields: object) -> lc.Container:
        fields.setdefault("rootfs", lc.Overlay(str(busybox_rootfs)))
        return factory.create(new_id(), lc.Config(**fields))  # type: ignore[arg-type]

    return create


def say(script: str) -> lc.Process:
    return lc.Process(["sh", "-c", script], stdout=lc.PIPE)


def output(handle: lc.ProcessHandle) -> bytes:
    with handle:
        out, _ = handle.communicate()
    return out or b""


def test_it_keeps_what_it_is_and_gets_everything_else_anew(make: Make) -> None:
    limits = lc.Resources(pids=20)
    network = lc.Veth(name="d0", addresses=["10.9.8.7/24"])
    with make(resources=limits, hostname="again", networks=[network]) as box:
        script = "hostname; ip -o addr show d0; ls /root; touch /root/x; exit 3"
        first = box.run(say(script))
        one = output(first)
        assert first.wait().code == 3
        before = box.state()
        second = box.restart()
        assert b"10.9.8.7" in output(second)
        assert b"again" in one
        assert b"10.9.8.7" in one
        assert second.wait().code == 3
        after = box.state()
        assert (after.id, after.created) == (before.id, before.created)
        assert after.init != before.init
        assert box.stats().pids.limit == 20
        assert after.cgroup == before.cgroup


def test_another_process_may_be_run_and_another_object_may_do_it(
    make: Make, factory: lc.Factory
) -> None:
    with make() as box:
        box.run(say("exit 1")).wait()
        other = factory.load(box.id)
        with pytest.raises(ValueError, match="which process"):
            other.restart()
        again = other.restart(say("exit 2"))
        assert again.wait().code == 2
        assert box.status() is Status.STOPPED
        again.close()
        assert output(box.restart(say("echo 3"))) == b"3\n"


def test_what_runs_is_ended_only_with_force(make: Make) -> None:
    with make() as box:
        with pytest.raises(lc.StateError, match="creating"):
            box.restart(say("true"))
        init = box.run(lc.Process(["sleep", "1000"]))
        with pytest.raises(lc.StateError, match="running"):
            box.restart()
        assert init.poll() is None
        again = box.restart(force=True)
        assert init.wait() == lc.ExitStatus(signal=9)
        assert box.status() is Status.RUNNING
        assert again.host_pid != init.host_pid


def test_a_wrong_process_changes_nothing(make: Make) -> None:
    with make() as box:
        box.run(say("exit 7")).wait()
        before = box.state()
        with pytest.raises(lc.ConfigError):
            box.restart(lc.Process([]))
        assert box.state() == before


def test_a_launch_that_fails_leaves_a_container_that_can_be_run(make: Make) -> None:
    with make() as box:
        box.run(say("exit 7")).wait()
        with pytest.raises(lc.ProgramNotFoundError):
            box.restart(lc.Process(["/nothing"]))
        assert box.status() is Status.CREATING
        assert output(box.run(say("echo up"))) == b"up\n"


def test_a_detached_container_is_restarted_with_its_record(
    make: Make, factory: lc.Factory
) -> None:
    with make() as box:
        box.run(say("exit 4"), detach=True)
        assert factory.load(box.id).wait(20).code == 4
        box.restart(say("exit 5"), detach=True)
        assert factory.load(box.id).wait(20).code == 5


def test_hooks_run_as_for_a_deletion_and_a_launch(make: Make, tmp_path: Path) -> None:
    log = tmp_path / "log"

    def hook(word: str) -> lc.Hook:
        return lc.Hook("/bin/sh", args=["sh", "-c", f"echo {word} >> {log}"])

    hooks = lc.Hooks(create_runtime=[hook("create")], poststop=[hook("stop")])
    with make(hooks=hooks) as box:
        box.run(say("true")).wait()
        box.restart().wait()
        assert log.read_text().split() == ["create", "stop", "create"]
    assert log.read_text().split() == ["create", "stop", "create", "stop"]


def test_many_restarts_leave_nothing(make: Make) -> None:
    with make() as box:
        box.run(say("true")).wait()
        box.restart().wait()
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(10):
            handle = box.restart()
            handle.wait()
            handle.close()
        assert len(os.listdir("/proc/self/fd")) <= before
