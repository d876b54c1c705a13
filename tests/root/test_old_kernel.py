# SPDX-License-Identifier: Apache-2.0
"""The main verbs on whatever kernel this is: they work, or say what is missing.

``./dev vm old`` runs it on Linux 6.1. On 5.10 (``./dev vm older``), which has no
mount_setattr(2), a launch is refused: there is no other way to make a whole tree
read-only or private before the image can be seen.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

KERNEL = tuple(int(word) for word in os.uname().release.split(".")[:2])
OLDEST = (5, 12)
works = pytest.mark.skipif(KERNEL < OLDEST, reason="every launch is refused there")
Say = Callable[..., str]
RANGE = [lc.IdMapping(0, 100000, 65536)]


@pytest.fixture
def say(factory: lc.Factory, busybox_rootfs: Path) -> Say:
    """Run a script in a container of its own and return what it says."""

    def run(script: str, **fields: Any) -> str:
        fields.setdefault("rootfs", lc.Overlay(str(busybox_rootfs)))
        with factory.create(new_id(), lc.Config(**fields)) as box:
            args = ["sh", "-c", script]
            with box.run(lc.Process(args, stdout=lc.PIPE, stderr=lc.STDOUT)) as done:
                return (done.communicate()[0] or b"").decode()

    return run


def refused_before(first: tuple[int, int], error: lc.LibcontainerError) -> None:
    """Check that only an older kernel refuses, and that the refusal names it."""
    assert first > KERNEL
    assert f"{first[0]}.{first[1]}" in f"{error} {getattr(error, 'hint', '')}"


@pytest.mark.skipif(KERNEL >= OLDEST, reason="launches work here")
@pytest.mark.parametrize("kind", ["directory", "overlay"])
def test_before_the_oldest_kernel_a_launch_is_refused(
    factory: lc.Factory, busybox_rootfs: Path, kind: str
) -> None:
    path = str(busybox_rootfs)
    rootfs = lc.Directory(path) if kind == "directory" else lc.Overlay(path)
    name = new_id()
    with (
        factory.create(name, lc.Config(rootfs=rootfs)) as box,
        pytest.raises(lc.LibcontainerError) as caught,
    ):
        box.run(lc.Process(["true"]))
    refused_before(OLDEST, caught.value)
    assert name not in [box.id for box in factory]


@works
def test_a_program_runs_in_namespaces_of_its_own(say: Say) -> None:
    said = say("echo $$; hostname; ls /; id -u", hostname="inside")
    assert said.split()[:2] == ["1", "inside"]
    assert {"bin", "dev", "proc"} <= set(said.split())


@works
@pytest.mark.parametrize("kind", ["directory", "overlay"])
def test_the_root_is_read_only_if_that_is_asked(
    say: Say, busybox_rootfs: Path, kind: str
) -> None:
    path = str(busybox_rootfs)
    rootfs = lc.Directory(path) if kind == "directory" else lc.Overlay(path)
    said = say(
        "touch /x; cat /proc/self/mountinfo", rootfs=rootfs, readonly_rootfs=True
    )
    assert "Read-only file system" in said


@works
def test_mounts_have_their_options(say: Say, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "file").write_text("here\n")
    mounts = [
        lc.Mount.bind(tmp_path, "/bound", read_only=True),
        lc.Mount.tmpfs("/new", size="64k"),
    ]
    script = "cat /bound/file; touch /bound/x; echo y >/new/y; cat /new/y"
    said = say(script, mounts=mounts)
    assert said.startswith("here\n")
    assert "Read-only file system" in said
    assert said.endswith("y\n")


@works
def test_hidden_paths_are_hidden(say: Say) -> None:
    said = say("cat /proc/timer_list | wc -c; echo 1 >/proc/sys/kernel/hostname")
    assert said.split()[0] == "0"
    assert "Read-only file system" in said


@works
def test_a_bind_in_a_user_namespace(say: Say, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "file").write_text("here\n")
    user = {
        "namespaces": [*lc.Config().namespaces, "user"],
        "uid_mappings": RANGE,
        "gid_mappings": RANGE,
    }
    mounts = [lc.Mount.bind(tmp_path, "/bound", read_only=True)]
    said = say("id -u; cat /bound/file; touch /bound/x", mounts=mounts, **user)
    assert said.startswith("0\nhere\n")
    assert "x: " in said


def test_an_id_mapped_mount(say: Say, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "file").touch()
    maps = "idmap=uids=0-100000-10;gids=0-100000-10"
    mount = lc.Mount.from_options("bind", str(tmp_path), "/data", ["bind", maps])
    try:
        assert say("stat -c %u /data/file", mounts=[mount]) == "100000\n"
    except lc.LibcontainerError as error:
        refused_before((5, 12), error)


@works
def test_a_further_process_joins(factory: lc.Factory, busybox_rootfs: Path) -> None:
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), hostname="joined")
    with factory.create(new_id(), config) as box:
        init = box.run(lc.Process(["sleep", "1000"]))
        with box.exec(lc.Process(["hostname"], stdout=lc.PIPE)) as process:
            assert process.communicate()[0] == b"joined\n"
        pids = box.processes()
        assert init.host_pid in pids
        box.pause()
        box.resume()
        box.delete(force=True)
        assert init.wait(10) == lc.ExitStatus(signal=9)


@works
def test_a_filter_of_system_calls_holds(say: Say) -> None:
    profile = lc.Seccomp.default()
    assert say("echo on; unshare -U true || echo refused", seccomp=profile) == (
        "on\nunshare: unshare(0x10000000): Operation not permitted\nrefused\n"
    )


def test_landlock_holds(say: Say) -> None:
    rules = lc.Landlock(handled_access_fs=["write_file"])
    try:
        said = say("echo x >/tmp/x; echo on", landlock=rules)
    except lc.LibcontainerError as error:
        refused_before((5, 13), error)
        return
    assert "Permission denied" in said


@works
def test_limits_hold(factory: lc.Factory, busybox_rootfs: Path) -> None:
    config = lc.Config(
        rootfs=lc.Overlay(str(busybox_rootfs)),
        resources=lc.Resources(memory="64M", pids=20),
    )
    with factory.create(new_id(), config) as box:
        box.run(lc.Process(["sh", "-c", "for i in 1 2 3; do sleep 1000 & done; wait"]))
        deadline = time.monotonic() + 30
        while len(box.processes()) < 4:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert box.stats().pids.limit == 20
        assert box.stats().memory.limit == 64 << 20
