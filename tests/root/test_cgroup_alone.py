# SPDX-License-Identifier: Apache-2.0
"""Cgroups without a container: any process is limited, measured and followed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import libcontainer as lc
from libcontainer.cgroups import Cgroup
from libcontainer.cgroups.hierarchy import read_hierarchies

pytestmark = pytest.mark.needs("root")

HOG = "import sys; sys.stdin.read(1); x = bytearray(200 << 20); print(len(x))"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


def test_a_limit_bites_a_process_that_was_there(tmp_path: Path) -> None:
    limits = lc.Resources(memory="64M", memory_swap="64M", pids=20)
    with Cgroup.create("lc-alone", limits) as group:
        hog = subprocess.Popen(
            [sys.executable, "-c", HOG], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        group.add(hog.pid)
        with group.events("oom") as events:
            out, _ = hog.communicate(b"x")
            assert out == b""
            assert hog.returncode == -9
            assert events.wait(20)[0].kind is lc.EventKind.OOM
        found = group.stats()
        assert found.memory.oom_kills >= 1
        assert found.memory.limit == 64 << 20
        group.update(lc.Resources(pids=10))
        assert group.stats().pids.limit == 10
        paths = list(group.group.paths.values())
    assert not any(os.path.exists(path) for path in paths)


def test_any_process_can_be_measured(sleeper: subprocess.Popen[bytes]) -> None:
    group = Cgroup.of(sleeper.pid)
    with group, group.stats_reader() as reader:
        assert reader.read().cpu.usage > 0
        assert sleeper.pid in group.pids() or not group.group.exists()
    # It was not made here, so it is still there, with what is in it.
    assert sleeper.poll() is None
    assert Cgroup.of(os.getpid()).stats().cpu.usage > 0


def test_what_is_in_it_is_frozen_goes_on_and_is_killed(
    sleeper: subprocess.Popen[bytes],
) -> None:
    with Cgroup.create("lc-alone/deep/er") as group:
        group.add(sleeper.pid)
        assert group.pids() == [sleeper.pid]
        assert Cgroup.open("lc-alone/deep/er").pids() == [sleeper.pid]
        group.freeze()
        assert group.is_frozen
        group.thaw()
        assert not group.is_frozen
        with pytest.raises(lc.CgroupError, match="EBUSY"):
            group.delete()
        group.kill()
        assert sleeper.wait(20) == -9
        group.delete()
        with pytest.raises(lc.CgroupError, match="ENOENT"):
            group.stats()
        with pytest.raises(lc.CgroupError, match="ENOENT"):
            group.pids()
        assert not os.path.exists(
            os.path.dirname(next(iter(group.group.paths.values())))
        )


def test_what_is_in_use_is_not_taken(sleeper: subprocess.Popen[bytes]) -> None:
    with Cgroup.create("lc-alone") as group:
        group.add(sleeper.pid)
        with pytest.raises(lc.CgroupError, match="EEXIST"):
            Cgroup.create("lc-alone")
        assert group.pids() == [sleeper.pid]


@pytest.mark.parametrize(
    ("path", "limits", "wrong"),
    [
        ("", lc.Resources(), "cgroups_path"),
        ("a/../b", lc.Resources(), "cgroups_path"),
        (7, lc.Resources(), "cgroups_path"),
        ("lc-x", lc.Resources(pids="many"), "resources.pids"),  # type: ignore[arg-type]
    ],
)
def test_wrong_names_and_limits_make_nothing(
    path: str, limits: lc.Resources, wrong: str
) -> None:
    with pytest.raises(lc.ConfigError) as caught:
        Cgroup.create(path, limits)
    assert caught.value.problems[0].path == wrong


def test_a_process_that_is_gone_or_refused_is_told() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    with Cgroup.create("lc-alone") as group:
        with pytest.raises(ProcessLookupError):
            group.add(gone.pid)
        with pytest.raises(ProcessLookupError):
            Cgroup.of(gone.pid)


@pytest.mark.needs("cgroup1")
def test_a_process_that_one_hierarchy_refuses_stays_where_it_was(
    sleeper: subprocess.Popen[bytes],
) -> None:
    before = Path(f"/proc/{sleeper.pid}/cgroup").read_text()
    with Cgroup.create("lc-alone") as group:
        paths = dict(group.group.paths)
        names = list(paths)
        # As if the directory of the last hierarchy were gone.
        os.rmdir(paths[names[-1]])
        with pytest.raises(lc.CgroupError, match="ENOENT"):
            group.add(sleeper.pid)
        assert Path(f"/proc/{sleeper.pid}/cgroup").read_text() == before


def test_a_cgroup_that_is_not_there_cannot_be_opened() -> None:
    assert read_hierarchies().v1 or read_hierarchies().unified
    with pytest.raises(lc.CgroupError, match="ENOENT"):
        Cgroup.open("lc-nothing")
