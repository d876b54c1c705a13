# SPDX-License-Identifier: Apache-2.0
"""Dask itself: a LocalCluster, its tasks in containers, its workers in cgroups."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc

PROGRAM = Path(__file__).with_name("dask_tasks.py")


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """What the program saw that runs the cluster."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM)],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    found["errors"] = done.stderr
    return found


@pytest.fixture(scope="module")
def warm_numpy() -> None:
    """Dask imports numpy where it is there, whose library keeps a thread for good."""
    if importlib.util.find_spec("numpy") is not None:
        importlib.import_module("numpy")


pytestmark = pytest.mark.needs("root", "rootfs", "dask")


def test_a_task_that_asks_is_in_a_container(seen: dict[str, Any]) -> None:
    assert seen["inside"]["pid"] == 1
    assert seen["inside"]["namespace"] != os.readlink("/proc/self/ns/pid")


def test_one_that_does_not_ask_is_in_its_worker(seen: dict[str, Any]) -> None:
    assert seen["outside"]["pid"] in seen["before"]


def test_results_go_from_task_to_task(seen: dict[str, Any]) -> None:
    assert (seen["chain"], seen["fused"]) == (12, 20)


def test_a_task_over_its_limit_dies_alone(seen: dict[str, Any]) -> None:
    assert seen["eaten"] == ["CallFailedError", "oom"]
    assert seen["still"] == seen["before"]


def test_a_task_that_takes_too_long_is_killed(seen: dict[str, Any]) -> None:
    assert (seen["waited"], seen["late"]) == (3, "TimeoutExpired")


def test_each_worker_is_in_a_cgroup_of_its_own(seen: dict[str, Any]) -> None:
    lines = {line for _, text in seen["cgroups"] for line in text.split()}
    # Below what the caller's own is in each hierarchy, which need not be the same.
    paths = {line[line.index("/dask-") :] for line in lines if "/dask-" in line}
    assert len(paths) == 2
    assert all(path.endswith("/worker") for path in paths)


def test_a_worker_over_its_limit_comes_back_to_its_cgroup(seen: dict[str, Any]) -> None:
    assert seen["killed"] == "KilledWorker"
    assert {pid for pid, _ in seen["again"]} != set(seen["before"])
    assert {text for _, text in seen["again"]} == {text for _, text in seen["cgroups"]}


def test_containers_count_for_the_limits_of_their_worker(seen: dict[str, Any]) -> None:
    assert len(seen["nested"]) == 2
    assert all("/dask-tcp-" in path for path in seen["nested"])


def test_no_cgroup_is_left(seen: dict[str, Any]) -> None:
    assert seen["cgroups"]
    assert list(Path("/sys/fs/cgroup").rglob("dask-*")) == []


def test_what_is_wrong_is_refused_where_it_is_written(warm_numpy: None) -> None:
    from libcontainer.contrib.dask import ContainerTasks, NannyLimits

    with pytest.raises(ValueError, match="Dask's own"):
        ContainerTasks("default")
    with pytest.raises(TypeError, match="nothing_such"):
        ContainerTasks(nothing_such=1)  # type: ignore[call-arg]
    with pytest.raises(lc.ConfigError, match="pids"):
        ContainerTasks(pids=-5)
    with pytest.raises(lc.ConfigError, match="memory"):
        NannyLimits(lc.Resources(memory=-3))
