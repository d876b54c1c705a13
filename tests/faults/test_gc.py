# SPDX-License-Identifier: Apache-2.0
"""`libcontainer gc` takes away what a dead creator left, and nothing of the living."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import libcontainer as lc
from libcontainer.cgroups.group import Group
from tests.oci_bundles import COMMAND

pytestmark = pytest.mark.needs("root", "rootfs")

# Makes a container up to the step where everything that lasts is there, and dies.
_DIES = """
import os, signal, sys
import libcontainer as lc
from libcontainer.host import actions
from libcontainer.plan import steps
root, rootfs, name = sys.argv[1:]
original = actions._RUNNERS[steps.RecordState]
def runner(acting, launch, action):
    os.kill(os.getpid(), signal.SIGKILL)
actions._RUNNERS[steps.RecordState] = runner
container = lc.Factory(root).create(name, lc.Config(rootfs=lc.Overlay(rootfs)))
container.run(lc.Process(["sleep", "1000"], stdin=lc.DEVNULL))
"""


def _gc(root: str) -> list[str]:
    words = [*COMMAND, "--root", root, "gc"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


def test_what_dead_creators_left_goes_and_the_living_stay(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))
    with factory.create("alive", config) as alive, factory.create("new", config):
        sleeper = alive.run(lc.Process(["sleep", "1000"], stdin=lc.DEVNULL))
        groups = []
        for name in ("dead-1", "dead-2"):
            words = [factory.root, str(busybox_rootfs), name]
            command = [sys.executable, "-W", "ignore", "-c", _DIES, *words]
            assert subprocess.run(command, check=False).returncode == -9
            groups.append(Group(factory.load(name).state().cgroup))
        assert all(group.exists() for group in groups if group.paths)
        before = sorted(os.listdir(factory.root))
        assert before == ["alive", "dead-1", "dead-2", "new"]
        assert _gc(factory.root) == ["dead-1", "dead-2"]
        # Another time there is nothing; the living have not been touched.
        assert _gc(factory.root) == []
        assert sorted(os.listdir(factory.root)) == ["alive", "new"]
        assert not any(group.exists() for group in groups if group.paths)
        assert sleeper.poll() is None
        assert alive.exec(lc.Process(["true"], stdin=lc.DEVNULL)).wait(10).code == 0
