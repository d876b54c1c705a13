# SPDX-License-Identifier: Apache-2.0
"""A reader follows docs/how/engines.md, engine by engine."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import blocks
from tests.engines.world import World

TEXT = Path(__file__).parents[2].joinpath("docs", "how", "engines.md").read_text()
_, *PARTS = TEXT.split("\n## ")
START = blocks.runnable(TEXT.partition("\n## ")[0])
# What engines keep, and their settings, are of this world alone.
PRIVATE = (
    *("/etc/containers", "/etc/docker", "/var/lib/containers", "/var/lib/docker"),
    *("/var/lib/containerd", "/usr/local/bin"),
)
POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}'
CONTAINERD = """
version = 2
oom_score = 0
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs"]
"""

pytestmark = [pytest.mark.engines, pytest.mark.needs("podman", "containerd", "docker")]


def _part(title: str) -> list[blocks.Block]:
    (found,) = [text for text in PARTS if text.startswith(f"{title}\n")]
    return blocks.runnable(found)


@pytest.fixture(scope="module")
def machine(public_tmp: Path) -> Iterator[World]:
    """A machine with engines that nobody has told anything yet."""
    folder = public_tmp / "page"
    ours = Path(sys.executable).with_name("libcontainer")
    with World(folder) as world:
        script = "set -e; for folder in $0 $*; do mkdir -p $folder;"
        script += " mount -t tmpfs -o mode=755 private $folder; done;"
        script += f" ln -s {ours} /usr/local/bin/libcontainer; mkdir {world.data}/home;"
        script += f" echo '{POLICY}' >/etc/containers/policy.json"
        made = world.run("sh", "-c", script, *PRIVATE)
        assert made.returncode == 0, made.stderr
        _follow(world, START)
        yield world
    shutil.rmtree(folder, ignore_errors=True)


def _follow(world: World, found: list[blocks.Block]) -> None:
    assert found
    home = str(world.data / "home")
    words = world.command(["env", "-C", home, f"HOME={home}", "DOCKER_BUILDKIT=0"])
    place = blocks.Place(Path("/"), tuple(words))
    failed = [blocks.failure(block, place) for block in found]
    assert failed == [None] * len(found)


def _wait_for(world: World, *command: str) -> None:
    deadline = time.monotonic() + 60
    while (done := world.run(*command)).returncode != 0:
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.1)


def test_podman(machine: World) -> None:
    _follow(machine, _part("podman"))


def test_containerd(machine: World, public_tmp: Path) -> None:
    machine.run("tee", "/run/containerd.toml", input=CONTAINERD)
    daemon = machine.start(
        *("containerd", "--config", "/run/containerd.toml"),
        log=public_tmp / "containerd.log",
    )
    _wait_for(machine, "ctr", "version")
    _follow(machine, _part("containerd"))
    daemon.terminate()
    daemon.wait(30)


def test_docker(machine: World, public_tmp: Path) -> None:
    settings, *rest = _part("Docker")
    _follow(machine, [settings])
    daemon = machine.start(
        *("dockerd", "--bip", "10.77.0.1/24", "--storage-driver", "overlay2"),
        *("--oom-score-adjust", "0", "--default-ulimit", "nofile=1024:1024"),
        log=public_tmp / "dockerd.log",
    )
    _wait_for(machine, "docker", "version")
    _follow(machine, rest)
    daemon.terminate()
    daemon.wait(60)
