# SPDX-License-Identifier: Apache-2.0
"""The leak oracle notices what a test leaves behind, and only that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests import leaks

SOON = 0.2


def complaints_of(before: leaks.Inventory, kind: str, *watch: Path) -> list[str]:
    """What the oracle says about one kind after a short time to settle."""
    lines = leaks.settled(before, watch, timeout_seconds=SOON)
    return [line for line in lines if line.startswith((f"new {kind}", f"gone {kind}"))]


def test_nothing_is_reported_when_nothing_is_left(tmp_path: Path) -> None:
    before = leaks.take([tmp_path])
    with open(tmp_path / "file", "w") as file:
        file.write("x")
    os.unlink(tmp_path / "file")
    subprocess.run(["true"], check=True)
    assert leaks.settled(before, [tmp_path]) == []


def test_an_open_descriptor_is_reported() -> None:
    before = leaks.take()
    descriptor = os.open("/dev/null", os.O_RDONLY)
    try:
        found = complaints_of(before, "descriptor")
        assert found == [f"new descriptor: {descriptor} -> /dev/null"]
    finally:
        os.close(descriptor)
    assert complaints_of(before, "descriptor") == []


def test_a_memory_file_is_reported_as_a_descriptor() -> None:
    before = leaks.take()
    descriptor = os.memfd_create("leak")
    try:
        assert "/memfd:leak" in complaints_of(before, "descriptor")[0]
    finally:
        os.close(descriptor)


def test_a_thread_is_reported() -> None:
    before = leaks.take()
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        found = complaints_of(before, "thread")
        assert [line.split()[2] for line in found] == [str(thread.native_id)]
    finally:
        stop.set()
        thread.join()
    assert complaints_of(before, "thread") == []


def test_a_running_child_is_reported() -> None:
    before = leaks.take()
    child = subprocess.Popen(["sleep", "60"])
    try:
        (found,) = complaints_of(before, "process")
        assert f"{child.pid} (sleep)" in found
    finally:
        child.kill()
        child.wait()
    assert complaints_of(before, "process") == []


def test_a_child_nobody_waited_for_is_reported() -> None:
    before = leaks.take()
    child = subprocess.Popen(["true"])
    try:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        (found,) = complaints_of(before, "process")
        assert found.endswith(", zombie")
    finally:
        child.wait()


def test_an_orphan_in_a_session_of_its_own_is_reported() -> None:
    before = leaks.take()
    script = (
        "import os, subprocess\n"
        "print(subprocess.Popen(['sleep', '60'], start_new_session=True,\n"
        "      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid, flush=True)\n"
        "os._exit(0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    orphan = int(done.stdout)
    try:
        (found,) = complaints_of(before, "process")
        assert f"{orphan} (sleep)" in found
    finally:
        os.kill(orphan, signal.SIGKILL)
    assert complaints_of(before, "process") == []


def test_a_process_of_somebody_else_is_not_reported() -> None:
    before = leaks.take()
    supervisor = os.environ[leaks.SUPERVISOR]
    own = {line.split()[0] for line in before.lines["process"]}
    assert str(os.getpid()) in own
    assert supervisor not in own
    assert "1" not in own


def test_a_file_in_the_state_root_is_reported(tmp_path: Path) -> None:
    before = leaks.take([tmp_path])
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "state.json").write_text("{}")
    assert complaints_of(before, "file", tmp_path) == [
        f"new file: {tmp_path}/box",
        f"new file: {tmp_path}/box/state.json",
    ]


def test_a_changed_umask_is_reported() -> None:
    before = leaks.take()
    mask = os.umask(0o077)
    os.umask(mask ^ 0o011)
    try:
        assert len(complaints_of(before, "caller")) == 2
    finally:
        os.umask(mask)
    assert complaints_of(before, "caller") == []


@pytest.mark.needs("root")
def test_a_mount_is_reported(tmp_path: Path) -> None:
    before = leaks.take([tmp_path])
    subprocess.run(["mount", "-t", "tmpfs", "leak", tmp_path], check=True)
    try:
        (found,) = complaints_of(before, "mount", tmp_path)
        assert found.startswith(f"new mount: {tmp_path} (")
    finally:
        subprocess.run(["umount", tmp_path], check=True)
    assert complaints_of(before, "mount", tmp_path) == []


@pytest.mark.needs("root")
def test_a_mount_that_has_gone_is_reported(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "leak", tmp_path], check=True)
    try:
        before = leaks.take([tmp_path])
    finally:
        subprocess.run(["umount", tmp_path], check=True)
    (found,) = complaints_of(before, "mount", tmp_path)
    assert found.startswith(f"gone mount: {tmp_path} (")


@pytest.mark.needs("root")
def test_a_namespace_is_reported() -> None:
    before = leaks.take()
    child = subprocess.Popen(["unshare", "--uts", "sleep", "60"])
    try:
        deadline = time.monotonic() + 10
        while not (found := complaints_of(before, "namespace")):
            assert time.monotonic() < deadline
        assert [line.split(":")[1].strip() for line in found] == ["uts"]
    finally:
        child.kill()
        child.wait()
    assert complaints_of(before, "namespace") == []


@pytest.mark.needs("root", "network")
def test_a_network_link_is_reported() -> None:
    before = leaks.take()
    name = f"lcleak{os.getpid() % 10000}"
    made = subprocess.run(
        ["ip", "link", "add", name, "type", "bridge"], capture_output=True, check=False
    )
    if made.returncode != 0:
        pytest.skip(f"no bridges here: {made.stderr!r}")
    try:
        (found,) = complaints_of(before, "link")
        assert found.startswith(f"new link: {name} (")
    finally:
        subprocess.run(["ip", "link", "delete", name], check=True)


def cgroup_parent() -> Path | None:
    """A hierarchy that a directory can be made in."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, filesystem = line.partition(" - ")
        if filesystem.startswith(("cgroup ", "cgroup2 ")):
            path = Path(fields.split()[4])
            if os.access(path, os.W_OK):
                return path
    return None


@pytest.mark.needs("root")
def test_an_empty_cgroup_is_reported() -> None:
    parent = cgroup_parent()
    if parent is None:
        pytest.skip("no writable cgroup hierarchy")
    before = leaks.take()
    directory = parent / f"libcontainer-leak-{os.getpid()}"
    directory.mkdir()
    try:
        assert complaints_of(before, "cgroup") == [f"new cgroup: {directory}"]
    finally:
        directory.rmdir()
    assert complaints_of(before, "cgroup") == []
