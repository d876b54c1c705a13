# SPDX-License-Identifier: Apache-2.0
"""Ray's own sandboxes, on a cluster of Ray, are our containers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("ray_sandboxes.py")
pytestmark = pytest.mark.needs("root", "rootfs", "ray_sandbox")


@pytest.fixture(scope="module")
def seen(ray_image: Path, public_tmp: Path) -> dict[str, Any]:
    """What the program saw that runs the cluster."""
    places = {"RAY_TMPDIR": str(public_tmp), "HOME": str(public_tmp)}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(ray_image)],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env={**os.environ, **places, "RAY_AUTH_MODE": "disabled"},
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_each_answers_with_its_environment(seen: dict[str, Any]) -> None:
    assert seen["said"] == [f"{number**2} b\n" for number in range(6)]
    assert seen["status"] == "RUNNING"


def test_only_the_working_directory_is_writable(seen: dict[str, Any]) -> None:
    assert seen["cwd"] == [0, "/work\n", ""]
    assert seen["read_only"][0] == 1
    assert "Read-only file system" in seen["read_only"][2]


def test_a_command_has_its_status_and_errors(seen: dict[str, Any]) -> None:
    assert seen["fails"] == [9, "", "err\n"]


def test_files_go_in_and_out(seen: dict[str, Any]) -> None:
    assert seen["files"] == [0, "one\ntwo\n", ""]
    assert seen["read"] == "one\n"


def test_there_is_no_network(seen: dict[str, Any]) -> None:
    assert seen["links"] == [0, "lo\n", ""]


def test_rays_memory_is_a_limit(seen: dict[str, Any]) -> None:
    assert seen["eaten"] == 137


@pytest.mark.parametrize(
    ("what", "kind", "text"),
    [
        ("slow", "SandboxTimeoutError", "longer than 0.5 seconds"),
        ("missing", "SandboxExecError", "ENOENT"),
        ("unread", "SandboxError", "cannot read /none"),
        ("gvisors", "ActorDiedError", "SandboxCreationError: cannot make a sandbox"),
    ],
)
def test_an_error_is_one_of_rays(
    seen: dict[str, Any], what: str, kind: str, text: str
) -> None:
    assert seen[what] == kind
    assert text in seen[f"{what}_text"]


def test_nothing_is_left(seen: dict[str, Any]) -> None:
    assert seen["left"] == []


def test_the_backend_alone(ray_image: Path, public_tmp: Path) -> None:
    # In a process of its own: to import Ray starts threads that stay.
    script = (
        "import sys\n"
        "from libcontainer.image import Store\n"
        "from ray.experimental.sandbox.config import SandboxConfig\n"
        "from libcontainer.contrib.ray_sandbox import ContainerBackend, Images\n"
        "ours = ContainerBackend(Images(Store(sys.argv[2])))\n"
        "one = ours.create_sandbox(SandboxConfig(sys.argv[1], readonly=False,"
        " shell='/bin/sh', capabilities=[]))\n"
        "print(ours.exec_command(one, 'id -u', user='7').stdout.strip())\n"
        "print(ours.exec_command(one, 'grep CapEff /proc/self/status ||"
        " cat /proc/self/status').stdout.split('CapEff:')[1].split()[0])\n"
        "ours.write_file(one, '/etc/x', 'a')\n"
        "ours.write_file(one, '/etc/x', 'b', append=True)\n"
        "print(ours.exec_command(one, ['cat', '/etc/x']).stdout)\n"
        "print(ours.get_status(one).value)\n"
        "ours.delete_sandbox(one); ours.delete_sandbox(one)\n"
        "print(ours.get_status(one).value)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(ray_image), str(public_tmp / "store")],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env={**os.environ, "HOME": str(public_tmp)},
    )
    assert done.stdout.split() == [
        *("7", "0000000000000000", "ab", "RUNNING", "TERMINATED")
    ], done.stderr
