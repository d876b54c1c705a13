# SPDX-License-Identifier: Apache-2.0
"""X: joining, signals, and processes that will not end."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

import libcontainer as lc
from tests.attacks.conftest import HANG_SECONDS, Attempt
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs", "compiler")


def _ready(handle: lc.ProcessHandle) -> None:
    assert handle.stdout is not None
    assert handle.stdout.readline() == b"ready\n"


def test_x02_a_state_that_another_user_forged_is_not_used(
    factory: lc.Factory, image: Path
) -> None:
    import os
    import shutil

    name = new_id()
    with factory.create(name, lc.Config(rootfs=str(image))) as container:
        container.run(lc.Process(["sleep", "1000"]))
        forged = Path(factory.root) / "forged"
        shutil.copytree(container.path, forged)
        state = forged / "state.json"
        state.write_text(state.read_text().replace(f'"{name}"', '"forged"'))
        os.chown(forged, 20001, 20001)
        with pytest.raises(lc.StateFileError):
            factory.load("forged").exec(lc.Process(["true"]))
        os.chown(forged, 0, 0)
        forged.chmod(0o777)
        with pytest.raises(lc.StateFileError):
            factory.load("forged").exec(lc.Process(["true"]))
        shutil.rmtree(forged)


@pytest.mark.parametrize("number", [9, 15])
def test_x05_joining_a_container_that_ends_is_refused_or_ends(
    factory: lc.Factory, image: Path, number: int
) -> None:
    config = lc.Config(rootfs=str(image))
    for delay in range(12):
        with factory.create(new_id(), config) as container:
            init = container.run(lc.Process(["sleep", "1000"]))
            time.sleep(delay / 4000)
            init.signal(9)
            try:
                with container.exec(lc.Process(["true"])) as process:
                    status = process.wait(HANG_SECONDS)
                assert status.code == 0 or status.signal == 9
            except lc.StateError:
                pass


@pytest.mark.parametrize("what", ["kill", "stop"])
def test_x07_a_signal_to_everybody_inside_ends_with_the_container(
    factory: lc.Factory, image: Path, what: str
) -> None:
    """Root inside sends it to every process it sees, over and over, while others join.

    A helper that is stopped is ended at the deadline of its launch.
    """
    factory._launcher.deadline_seconds = 0.5
    config = lc.Config(rootfs=str(image))
    flag = {"kill": "-9", "stop": "-STOP"}[what]
    script = f"trap '' TERM; while true; do kill {flag} -1; done"
    with factory.create(new_id(), config) as container:
        container.run(lc.Process(["sh", "-c", script], stderr=lc.DEVNULL))
        for _ in range(40 if what == "kill" else 4):
            try:
                process = container.exec(lc.Process(["true"], stderr=lc.DEVNULL))
            except lc.LibcontainerError:
                continue
            process.kill()
            process.wait(HANG_SECONDS)
            process.close()
        begun = time.monotonic()
        container.delete(force=True)
        assert time.monotonic() - begun < HANG_SECONDS / 2


def test_x08_programs_of_the_image_run_only_in_the_container(
    image: Path, attempt: Attempt, public_tmp: Path
) -> None:
    """What a launch could want to call by name does something else here."""
    mark = public_tmp / "x08-ran-on-the-host"
    for name in ("bin/nsenter", "bin/newuidmap", "bin/ip", "lib/ld-linux.so.2"):
        (image / name).parent.mkdir(exist_ok=True)
        (image / name).write_text(f"#!/bin/sh\necho > {mark}\n")
        (image / name).chmod(0o755)
    done = attempt("true", env={"LD_LIBRARY_PATH": "/lib", "LD_PRELOAD": "/lib/x.so"})
    assert (done.code, mark.exists()) == (0, False)


@pytest.mark.parametrize("how", ["delete", "kill"])
def test_x10_an_init_that_ignores_everything_is_ended(
    factory: lc.Factory, image: Path, how: str
) -> None:
    config = lc.Config(rootfs=str(image))
    with factory.create(new_id(), config) as container:
        init = container.run(lc.Process(["/attacker", "stubborn"], stdout=lc.PIPE))
        _ready(init)
        init.signal("TERM")
        init.signal("INT")
        with pytest.raises(lc.TimeoutExpired):
            init.wait(0.1)
        if how == "kill":
            init.kill()
            assert init.wait(HANG_SECONDS).signal == 9
        container.delete(force=True)
        assert init.wait(HANG_SECONDS).signal == 9
        init.close()


def test_x11_orphans_stay_inside_and_go_with_the_container(
    factory: lc.Factory, image: Path
) -> None:
    config = lc.Config(rootfs=str(image))
    with factory.create(new_id(), config) as container:
        init = container.run(lc.Process(["/attacker", "orphans", "3000"],
                                        stdout=lc.PIPE))  # fmt: skip
        _ready(init)
        with container.exec(lc.Process(["true"])) as process:
            assert process.wait(HANG_SECONDS).code == 0
        container.delete(force=True)
        init.close()


@pytest.mark.parametrize("joined", [False, True])
def test_x13_a_stopped_init_can_be_deleted(
    factory: lc.Factory, image: Path, joined: bool
) -> None:
    config = lc.Config(rootfs=str(image))
    with factory.create(new_id(), config) as container:
        init = container.run(lc.Process(["sleep", "1000"]))
        if joined:
            container.exec(lc.Process(["sleep", "1000"]))
        init.signal(signal.SIGSTOP)
        time.sleep(0.05)
        container.delete(force=True)
        assert init.wait(HANG_SECONDS).signal == 9
