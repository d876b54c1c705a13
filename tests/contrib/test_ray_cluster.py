# SPDX-License-Identifier: Apache-2.0
"""Ray's sandboxes over four nodes, one of which is killed.

`./dev engines` makes a hundred and writes what that took to docs/reference/ray.json,
of which `./dev bench report` makes a part of its page.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("ray_cluster.py")
FIGURES = Path(__file__).resolve().parents[2] / "docs" / "reference" / "ray.json"
IS_WHOLE = "LIBCONTAINER_ENGINES" in os.environ
COUNT = 100 if IS_WHOLE else 12
SQUARES = [f"{number**2}\n" for number in range(COUNT)]

pytestmark = pytest.mark.needs("root", "rootfs", "ray_sandbox")


@pytest.fixture(scope="module")
def seen(ray_image: Path, public_tmp: Path) -> dict[str, Any]:
    """What the program saw that runs the cluster."""
    notes = public_tmp / "notes"
    notes.mkdir()
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(ray_image), str(COUNT), str(notes)],
        capture_output=True,
        text=True,
        check=False,
        timeout=1500,
        env={
            **os.environ,
            "HOME": str(public_tmp),
            "RAY_TMPDIR": str(public_tmp),
            "RAY_AUTH_MODE": "disabled",
            # How much of the machine others take is not what is tested.
            "RAY_memory_monitor_refresh_ms": "0",
            "RAY_worker_register_timeout_seconds": "900",
            "RAY_health_check_timeout_ms": "60000",
            "RAY_health_check_failure_threshold": "20",
        },
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if IS_WHOLE and found["said"] == SQUARES:
        _write(found)
    return found


def _write(found: dict[str, Any]) -> None:
    import ray

    machine = platform.uname()
    figures = {
        "taken": time.strftime("%Y-%m-%d"),
        "kernel": machine.release,
        "processors": os.cpu_count(),
        "load": round(os.getloadavg()[2]),
        "ray": ray.__version__,
        "sandboxes": COUNT,
        "nodes": found["nodes"],
        "sandboxes_a_second": round(COUNT / found["box_seconds"], 2),
        "plain_actors_a_second": round(COUNT / found["plain_seconds"], 2),
        "launch_cpu_ms": round(found["launch_cpu_ms"], 1),
    }
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")


def test_results_are_right_over_all_nodes(seen: dict[str, Any]) -> None:
    assert seen["said"] == SQUARES
    assert seen["nodes"] == 4


def test_those_of_a_killed_node_are_lost_and_no_others(seen: dict[str, Any]) -> None:
    assert 0 < seen["lost"] < COUNT
    assert seen["again"].count("lost") == seen["lost"]
    right = [f"{(number + 1000) ** 2}\n" for number in range(COUNT)]
    pairs = zip(seen["again"], right, strict=True)
    assert [said for said, wanted in pairs if said not in {wanted, "lost"}] == []


def test_the_actors_of_the_killed_node_end(seen: dict[str, Any]) -> None:
    assert seen["ended"] is True


def test_nothing_is_left_on_the_survivors(seen: dict[str, Any]) -> None:
    assert seen["swept"] is True
    assert seen["left"] == []
    assert seen["groups"] == []
