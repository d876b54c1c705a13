# SPDX-License-Identifier: Apache-2.0
"""Ray itself: actors that own containers, on several nodes, one of them killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc

PROGRAM = Path(__file__).with_name("ray_boxes.py")
BOXES = 12

pytestmark = pytest.mark.needs("root", "rootfs", "ray")


@pytest.fixture(scope="module")
def seen(public_tmp: Path) -> dict[str, Any]:
    """What the program saw that runs the cluster."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM)],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env={
            **os.environ,
            "BOXES": str(BOXES),
            "RAY_TMPDIR": str(public_tmp),
            "RAY_AUTH_MODE": "disabled",
        },
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(
        f"{found['boxes_per_second']} boxes a second,"
        f" {found['plain_per_second']} plain actors"
    )
    return found


def test_results_are_right_over_all_nodes(seen: dict[str, Any]) -> None:
    assert seen["squares"] == [number**2 for number in range(BOXES)]
    assert seen["nodes"] == 3


def test_a_box_sees_itself_alone(seen: dict[str, Any]) -> None:
    assert seen["alone"][-1] == "ps ax -o args"
    assert len(seen["alone"]) == 3


def test_rays_memory_is_the_limit_of_the_cgroup(seen: dict[str, Any]) -> None:
    assert (seen["eaten"], seen["oom_kills"]) == (137, 1)


def test_boxes_end_with_their_node_and_the_others_go_on(seen: dict[str, Any]) -> None:
    assert 0 < seen["lost"] < BOXES
    assert seen["stopped"] is True
    assert seen["again"] == seen["expected_again"]


def test_nothing_is_left(seen: dict[str, Any]) -> None:
    assert seen["swept"] is True
    assert seen["left"] == []


# -- without a cluster


@pytest.fixture
def factory(state_root: Path) -> Iterator[lc.Factory]:
    """A factory of this test."""
    with lc.Factory(str(state_root)) as made:
        yield made


def test_a_command_has_its_streams_and_wishes(factory: lc.Factory) -> None:
    from libcontainer.contrib.ray import Box

    with Box(factory=factory, network="none") as box:
        script = "cat; pwd; echo $A; id -u; echo err >&2; exit 4"
        done = box.run(
            ["sh", "-c", script], input=b"in\n", cwd="/tmp", env={"A": "b"}, user="7"
        )
        assert done.stdout == b"in\n/tmp\nb\n7\n"
        assert (done.stderr, done.returncode) == (b"err\n", 4)


def test_one_that_takes_too_long_is_killed(factory: lc.Factory) -> None:
    from libcontainer.contrib.ray import Box

    with Box(factory=factory) as box:
        with pytest.raises(lc.TimeoutExpired):
            box.run(["sleep", "99"], timeout=0.3)
        assert b"sleep 99" not in box.run(["ps", "ax", "-o", "args"]).stdout


def test_those_of_the_living_are_not_swept(factory: lc.Factory) -> None:
    from libcontainer.contrib.ray import Box, sweep

    with Box(factory=factory) as box:
        assert sweep(factory) == []
        assert box.run(["true"]).returncode == 0
    assert factory.list() == []


def test_one_of_a_killed_owner_ends_and_is_swept(state_root: Path) -> None:
    from libcontainer.contrib.ray import sweep

    script = (
        "import sys, time, libcontainer as lc\n"
        "from libcontainer.contrib.ray import Box\n"
        "box = Box(factory=lc.Factory(sys.argv[1]))\n"
        "print(box.where(), flush=True)\n"
        "time.sleep(100)\n"
    )
    command = [sys.executable, "-c", script, str(state_root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        name = owner.stdout.readline().strip()
        owner.kill()
    with lc.Factory(str(state_root)) as factory:
        factory.load(name).wait(10)
        assert sweep(factory) == [name]
        assert factory.list() == []
