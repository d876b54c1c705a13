# SPDX-License-Identifier: Apache-2.0
"""A handle of a process: signals in between, descriptors that run out, time limits."""

from __future__ import annotations

import errno
import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from libcontainer import handle as handles
from libcontainer.launches import engine
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")


@pytest.fixture
def container(factory: lc.Factory, busybox_rootfs: Path) -> Iterator[lc.Container]:
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))
    with factory.create(new_id(), config) as made:
        made.run(lc.Process(["sleep", "1000"]))
        yield made


def descriptors() -> set[str]:
    gc.collect()
    return set(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_signal_handler_may_look_in_the_middle_of_a_look(
    container: lc.Container, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    process = container.exec(lc.Process(["sh", "-c", "exit 7"]))
    while not process.has_ended():
        continue
    seen: list[lc.ExitStatus | None] = []
    reap = handles.reap

    def interrupted(pidfd: int) -> lc.ExitStatus | None:
        monkeypatch.setattr(handles, "reap", reap)
        if before:
            signal.raise_signal(signal.SIGUSR1)
        found = reap(pidfd)
        if not before:
            signal.raise_signal(signal.SIGUSR1)
        return found

    old = signal.signal(signal.SIGUSR1, lambda *_: seen.append(process.poll()))
    try:
        monkeypatch.setattr(handles, "reap", interrupted)
        assert process.poll() == lc.ExitStatus(code=7)
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert len(seen) == 1
    assert process.pidfd == -1
    assert process.wait() == lc.ExitStatus(code=7)


def test_a_signal_handler_may_end_what_is_looked_at(
    container: lc.Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = container.exec(lc.Process(["sleep", "1000"]))
    ended = handles.has_ended

    def interrupted(pidfd: int) -> bool:
        monkeypatch.setattr(handles, "has_ended", ended)
        signal.raise_signal(signal.SIGUSR1)
        return ended(pidfd)  # which is open still

    def handler(*_: object) -> None:
        process.kill()
        process.wait(60)

    old = signal.signal(signal.SIGUSR1, handler)
    try:
        monkeypatch.setattr(handles, "has_ended", interrupted)
        assert process.has_ended()
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert process.poll() == lc.ExitStatus(signal=9)
    assert process.pidfd == -1


def test_an_interrupt_right_after_the_launch_leaves_no_process(
    container: lc.Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: Any, **fields: Any) -> lc.ProcessHandle:
        lc.ProcessHandle(*args, **fields)
        raise KeyboardInterrupt

    container.exec(lc.Process(["true"])).wait()
    before = descriptors()
    monkeypatch.setattr(engine, "ProcessHandle", interrupted)
    with pytest.raises(KeyboardInterrupt):
        container.exec(lc.Process(["sleep", "1000"]))
    assert len(container.processes()) == 1
    assert descriptors() == before


def test_a_wait_without_descriptors_leaves_none(
    container: lc.Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined = [container.exec(lc.Process(["sleep", "1000"])) for _ in range(3)]
    before, dup, left = descriptors(), os.dup, [2]

    def scarce(fd: int) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return dup(fd)

    init = container.init
    assert init is not None
    with monkeypatch.context() as patch, pytest.raises(OSError, match="Too many"):
        patch.setattr(os, "dup", scarce)
        init.wait(1)
    assert descriptors() == before
    for process in joined:
        process.kill()
        process.wait()


def test_a_terminal_goes_with_its_handle(container: lc.Container) -> None:
    container.exec(lc.Process(["true"])).wait()
    before = descriptors()
    process = container.exec(lc.Process(["true"], terminal=True))
    process.wait()
    del process
    container.exec(lc.Process(["true"])).wait()  # which forgets those that ended
    assert descriptors() == before


def test_what_nobody_waits_for_does_not_pile_up(container: lc.Container) -> None:
    init = container.init
    assert init is not None
    held = container.exec(lc.Process(["true"]))
    while not held.has_ended():
        continue
    before = descriptors()
    for _ in range(30):
        container.exec(lc.Process(["true"]))
    left = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    assert len(left) <= 6
    assert len(descriptors() - before) <= 6
    # Who still holds a handle may be waiting for its pidfd, and is told how it ended.
    assert held.pidfd >= 0
    assert held.wait().code == 0


def test_after_a_timeout_the_rest_of_the_input_is_written(
    container: lc.Container,
) -> None:
    data = os.urandom(1_000_000)
    script = "sleep 0.5; wc -c"
    with container.exec(
        lc.Process(["sh", "-c", script], stdin=lc.PIPE, stdout=lc.PIPE)
    ) as process:
        with pytest.raises(lc.TimeoutExpired):
            process.communicate(data, timeout=0.05)
        with pytest.raises(ValueError, match="after communication has begun"):
            process.communicate(b"more")
        assert process.communicate() == (b"1000000\n", None)


@pytest.mark.parametrize("timeout", [1e10, float("inf"), 30 * 86400.0])
def test_time_may_be_without_end(container: lc.Container, timeout: float) -> None:
    assert container.exec(lc.Process(["true"])).wait(timeout).code == 0
    process = container.exec(lc.Process(["echo", "x"], stdout=lc.PIPE))
    assert process.communicate(timeout=timeout) == (b"x\n", None)
    process.close()


def test_a_factory_that_nobody_closes_goes_with_its_containers(
    state_root: Path, busybox_rootfs: Path
) -> None:
    state_root.chmod(0o700)
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))

    def launch() -> None:
        with lc.Factory(state_root).create(new_id(), config) as made:
            made.run(lc.Process(["true"])).wait()

    launch()
    before = descriptors()
    for _ in range(3):
        launch()
    assert descriptors() == before


def test_a_filter_that_refuses_even_to_end_ends_at_once(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    done = lc.run(
        ["true"],
        rootfs=lc.Overlay(str(busybox_rootfs)),
        factory=factory,
        seccomp=lc.Seccomp(default_action="ERRNO"),
    )
    # Not by the limit of the launch, which takes 30 seconds to come.
    assert done.status == lc.ExitStatus(signal=signal.SIGILL)
