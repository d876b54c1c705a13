# SPDX-License-Identifier: Apache-2.0
"""``nsinit`` measures, pauses and follows; ``nsinit cgroup`` is cgutil."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from libcontainer.cgroups import Cgroup
from tests.root.test_nsinit import _NSINIT, _configure, _nsinit, _wait_for, rootfs

__all__ = ["rootfs"]

pytestmark = pytest.mark.needs("root", "rootfs")


@pytest.fixture
def running(rootfs: Path) -> Iterator[Path]:
    """A container that runs at the data path."""
    process = subprocess.Popen(
        [
            *_NSINIT,
            "exec",
            "sh",
            "-c",
            "trap 'exit 0' TERM; while :; do sleep 0.01; done",
        ],
        cwd=rootfs,
    )
    try:
        _wait_for(rootfs / "state.json")
        yield rootfs
    finally:
        process.terminate()
        process.wait(20)


def _json(rootfs: Path, *args: str) -> dict[str, Any]:
    done = _nsinit(rootfs, *args)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("{\n\t")
    assert not done.stdout.endswith("\n")
    return dict(json.loads(done.stdout))


def test_stats_have_the_form_of_2014(running: Path) -> None:
    found = _json(running, "stats", "--interval", "0.3")
    assert set(found) == {"network_stats", "cgroup_stats"}
    cpu = found["cgroup_stats"]["cpu_stats"]["cpu_usage"]
    assert cpu["total_usage"] > cpu["current_usage"] > 0
    assert found["cgroup_stats"]["memory_stats"]["usage"] > 0
    assert "cache" in found["cgroup_stats"]["memory_stats"]["stats"] or (
        "file" in found["cgroup_stats"]["memory_stats"]["stats"]
    )
    full = _json(running, "stats", "--json")
    assert full["pids"]["current"] >= 1


def test_a_container_is_paused_and_goes_on(running: Path) -> None:
    assert _json(running, "state")["status"] == "running"
    assert _nsinit(running, "pause").returncode == 0
    assert _json(running, "state")["status"] == "paused"
    again = _nsinit(running, "pause")
    assert (again.returncode, "paused" in again.stderr) == (1, True)
    assert _nsinit(running, "unpause").returncode == 0
    assert _nsinit(running, "pause").returncode == 0
    assert _nsinit(running, "resume").returncode == 0
    state = _json(running, "state")
    assert state["status"] == "running"
    assert (
        state["init_pid"]
        == json.loads((running / "state.json").read_text())["init_pid"]
    )
    assert Path(next(iter(state["cgroup_paths"].values()))).is_dir()


def test_without_a_container_there_is_nothing_to_measure(rootfs: Path) -> None:
    for command in ("stats", "pause", "unpause", "state", "oom"):
        done = _nsinit(rootfs, command)
        assert (done.returncode, "does not exist" in done.stderr) == (1, True), (
            done.stderr
        )


def test_memory_that_ran_out_is_a_line(rootfs: Path) -> None:
    _configure(rootfs, cgroups={"memory": 16 << 20, "allow_all_devices": True})
    script = "read go; x=$(head -c 99999999 /dev/zero | tr '\\0' x); sleep 0.5"
    process = subprocess.Popen(
        [*_NSINIT, "exec", "sh", "-c", script], cwd=rootfs, stdin=subprocess.PIPE
    )
    _wait_for(rootfs / "state.json")
    oom = subprocess.Popen(
        [*_NSINIT, "oom"], cwd=rootfs, stdout=subprocess.PIPE, text=True
    )
    time.sleep(1)
    assert process.stdin is not None
    process.stdin.write(b"go\n")
    process.stdin.close()
    out, _ = oom.communicate(timeout=30)
    process.wait(20)
    assert oom.returncode == 0
    assert json.loads(out.splitlines()[0])["type"] == "oom"


def test_cgutil_makes_measures_pauses_lists_and_removes(tmp_path: Path) -> None:
    config = tmp_path / "cgroup.json"
    document = {"name": "lc-cgutil", "parent": "lc-parent", "memory": 64 << 20}
    document["allow_all_devices"] = True
    config.write_text(json.dumps(document))
    where = ("-n", "lc-cgutil", "-p", "lc-parent")
    with subprocess.Popen(["sleep", "1000"]) as sleeper:
        try:
            pid = str(sleeper.pid)
            done = _nsinit(tmp_path, "cgroup", "create", "-c", str(config), "-p", pid)
            assert (done.returncode, done.stderr) == (0, "")
            assert "lc-parent/lc-cgutil" in Path(f"/proc/{pid}/cgroup").read_text()
            assert _nsinit(tmp_path, "cgroup", "ps", *where).stdout == f"{pid}\n"
            stats = _json(tmp_path, "cgroup", "stats", "--interval", "0.1", *where)
            assert stats["memory_stats"]["failcnt"] == 0
            full = _json(tmp_path, "cgroup", "stats", "--json", *where)
            assert full["memory"]["limit"] == 64 << 20
            assert _nsinit(tmp_path, "cgroup", "pause", *where).returncode == 0
            assert Cgroup.open("lc-parent/lc-cgutil").is_frozen
            assert _nsinit(tmp_path, "cgroup", "resume", *where).returncode == 0
            busy = _nsinit(tmp_path, "cgroup", "destroy", *where)
            assert (busy.returncode, "EBUSY" in busy.stderr) == (1, True)
        finally:
            sleeper.kill()
    assert _nsinit(tmp_path, "cgroup", "destroy", *where).returncode == 0
    gone = _nsinit(tmp_path, "cgroup", "ps", *where)
    assert (gone.returncode, "ENOENT" in gone.stderr) == (1, True)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[]", "object"),
        ("{", "nsinit:"),
        ('{"memory": 1}', "no name"),
        ('{"name": "../x"}', "'..'"),
        ('{"name": "lc-x", "memory": "much"}', "cgroups.memory"),
    ],
)
def test_a_wrong_file_is_told(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "cgroup.json").write_text(text)
    command = ("cgroup", "create", "-c", "cgroup.json", "-p", "1")
    done = _nsinit(tmp_path, *command)
    assert (done.returncode, word in done.stderr) == (1, True), done.stderr


def test_a_process_that_is_gone_leaves_no_cgroup(tmp_path: Path) -> None:
    (tmp_path / "cgroup.json").write_text('{"name": "lc-gone"}')
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        text=True,
        check=True,
    )
    pid = dead.stdout.strip()
    done = _nsinit(tmp_path, "cgroup", "create", "-c", "cgroup.json", "-p", pid)
    assert (done.returncode, "no process" in done.stderr) == (1, True)
    left = _nsinit(tmp_path, "cgroup", "ps", "-n", "lc-gone")
    assert "ENOENT" in left.stderr
