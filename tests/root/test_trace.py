# SPDX-License-Identifier: Apache-2.0
"""What a launch has spent its time on, and what the library says of itself."""

from __future__ import annotations

import itertools
import logging
import subprocess
import sys
import time
from pathlib import Path

import pytest

import libcontainer as lc
from libcontainer.host import launch

pytestmark = pytest.mark.needs("root", "rootfs")


def test_every_step_is_told_once_and_in_order(
    state_root: Path, busybox_rootfs: Path
) -> None:
    told: list[lc.StepTime] = []
    state_root.chmod(0o700)
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), hostname="box")
    process = lc.Process(["true"])
    with (
        lc.Factory(state_root, trace=told.append) as factory,
        factory.create("box", config) as container,
    ):
        lines = container.explain(process).splitlines()
        begun = time.monotonic()
        container.run(process).wait()
        whole = time.monotonic() - begun
    assert told[0].first == 1
    assert told[-1].last == told[-1].total
    for before, after in itertools.pairwise(told):
        assert after.first == before.last + 1
    assert {one.side for one in told} == {"host", "init"}
    assert all(one.seconds >= 0 for one in told)
    assert 0 < sum(one.seconds for one in told) <= whole
    # The numbers and words are those of the plan as it is explained.
    for one in told:
        assert any(one.title in line and str(one.last) in line for line in lines)


def test_without_a_trace_the_launch_is_the_plain_one(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    assert factory._launcher._kind() is launch.Launch


def test_the_library_is_silent_unless_it_is_asked(busybox_rootfs: Path) -> None:
    script = f"""
import libcontainer as lc
from libcontainer.host.log import logger
logger.warning("this is not seen")
lc.run(["true"], rootfs=lc.Overlay({str(busybox_rootfs)!r}))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_its_logger_is_below_its_name(caplog: pytest.LogCaptureFixture) -> None:
    from libcontainer.host.log import logger

    with caplog.at_level(logging.WARNING, "libcontainer"):
        logger.warning("seen")
    assert caplog.record_tuples == [("libcontainer", logging.WARNING, "seen")]


def test_objects_say_what_they_are_without_asking_the_kernel(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))
    with factory.create("box", config) as container:
        handle = container.run(lc.Process(["sleep", "1000"]))
        pid = handle.host_pid
        assert repr(container) == f"<Container 'box', init {pid} running>"
        assert repr(handle) == (
            f"<ProcessHandle ['sleep', '1000'] host_pid={handle.host_pid} running>"
        )
        handle.kill()
        handle.wait()
        assert repr(handle).endswith("ExitStatus(code=None, signal=9, core=False)>")
    # Of what is gone it can still be said what it was.
    assert repr(container) == f"<Container 'box', init {pid} ended by signal 9>"
    assert repr(factory.create("new", config)) == "<Container 'new'>"
    factory.load("new").delete()
    assert repr(factory) == f"<Factory {factory.root!r}>"
