# SPDX-License-Identifier: Apache-2.0
"""What a container leaves running where its pid namespace is not its own."""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import libcontainer as lc
from libcontainer.host import leftovers
from libcontainer.host.leftovers import end_leftovers, mount_namespace_of
from tests import capabilities

pytestmark = pytest.mark.needs("root", "rootfs")

# The number of a mount namespace that no other has later: Linux 6.11.
TELLS = capabilities.CHECKS["mount_namespace_ids"]() is None

_SHARED = ("mount", "network", "ipc", "uts", "cgroup")
_seconds = itertools.count(100_000)


def _running(seconds: int) -> list[int]:
    """Return the pids of ``sleep`` with this argument."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:2] == [b"sleep", b"%d" % seconds]:
            found.append(int(entry.name))
    return found


def _await_running(seconds: int, count: int) -> None:
    deadline = time.monotonic() + 10
    while len(_running(seconds)) != count:
        assert time.monotonic() < deadline, _running(seconds)
        time.sleep(0.01)


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the host that must live on."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        assert process.poll() is None
        process.kill()


def _config(rootfs: Path, **wishes: object) -> lc.Config:
    return lc.Config(rootfs=lc.Overlay(str(rootfs)), namespaces=_SHARED, **wishes)  # type: ignore[arg-type]


def _leaving(seconds: int) -> lc.Process:
    """Init leaves two processes behind, one of them in a session of its own."""
    script = f"sleep {seconds} & setsid sleep {seconds} & read line"
    return lc.Process(["sh", "-c", script], stdin=lc.PIPE)


def test_what_init_leaves_is_ended_when_it_has_been_waited_for(
    factory: lc.Factory, busybox_rootfs: Path, bystander: subprocess.Popen[bytes]
) -> None:
    number = next(_seconds)
    with factory.create("box", _config(busybox_rootfs)) as container:
        with container.run(_leaving(number)) as init:
            _await_running(number, 2)
            assert init.stdin is not None
            init.stdin.close()
            init.wait()
            assert len(_running(number)) == 2
            assert container.wait() == lc.ExitStatus(code=1)
        assert _running(number) == []


@pytest.mark.parametrize("ended", [True, False])
def test_what_init_leaves_is_ended_with_the_container(
    factory: lc.Factory,
    busybox_rootfs: Path,
    bystander: subprocess.Popen[bytes],
    ended: bool,
) -> None:
    number = next(_seconds)
    container = factory.create("box", _config(busybox_rootfs))
    init = container.run(_leaving(number))
    _await_running(number, 2)
    if ended:
        init.kill()
        init.wait()
        assert len(_running(number)) == 2
    # By another handle, as another program has it.
    factory.load("box").delete(force=not ended)
    assert _running(number) == []
    init.close()
    container.delete(force=True)


def test_another_container_beside_it_lives_on(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    number = next(_seconds)
    sleeper = lc.Process(["sleep", str(number)])
    with factory.create("other", _config(busybox_rootfs)) as other:
        other.run(sleeper)
        with factory.create("box", _config(busybox_rootfs)) as container:
            container.run(sleeper)
            _await_running(number, 2)
        assert len(_running(number)) == 1
        assert other.status() is lc.Status.RUNNING


def test_what_joins_a_pid_namespace_is_ended_alone(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    number = next(_seconds)
    rootfs = lc.Overlay(str(busybox_rootfs))
    with factory.create("other", lc.Config(rootfs=rootfs)) as other:
        first = other.run(lc.Process(["sleep", "1000"]))
        config = lc.Config(
            rootfs=rootfs, namespace_paths={"pid": f"/proc/{first.host_pid}/ns/pid"}
        )
        with factory.create("box", config) as container:
            container.run(_leaving(number))
            _await_running(number, 2)
        assert _running(number) == []
        assert other.status() is lc.Status.RUNNING


def test_the_record_is_kept_only_where_it_is_needed(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    sleeper = lc.Process(["sleep", "1000"])
    with factory.create("box", _config(busybox_rootfs)) as container:
        container.run(sleeper)
        assert (container.state().mount_namespace is not None) == TELLS
    rootfs = lc.Overlay(str(busybox_rootfs))
    with factory.create("box", lc.Config(rootfs=rootfs)) as container:
        container.run(sleeper)
        assert container.state().mount_namespace is None


@pytest.mark.needs("mount_namespace_ids")
def test_the_callers_own_processes_are_never_leftovers(
    bystander: subprocess.Popen[bytes],
) -> None:
    assert mount_namespace_of(bystander.pid) is None
    own = leftovers._number("/proc/self/ns/mnt")
    assert own is not None
    assert end_leftovers(own, timeout=1)
    assert bystander.poll() is None
    assert os.getpid() in {int(p) for p in os.listdir("/proc") if p.isdigit()}
