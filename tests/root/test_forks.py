# SPDX-License-Identifier: Apache-2.0
"""What a fork of the program may do with what its parent has, and what not."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.host import launch
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

Made = Callable[[], lc.Container]


@pytest.fixture
def made(factory: lc.Factory, busybox_rootfs: Path) -> Made:
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))
    # A fork counts on from where its parent is.
    return lambda: factory.create(f"{new_id()}-{os.getpid()}", config)


def in_fork(work: Callable[[], Any]) -> str:
    """Return what a function returns, or the name of what it raises, in a fork."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            said = repr(work())
        except BaseException as error:
            said = type(error).__name__
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    with open(read) as file:
        said = file.read()
    os.waitpid(pid, 0)
    return said


def sleep() -> lc.Process:
    return lc.Process(["sleep", "1000"], stdin=lc.PIPE)


@pytest.mark.parametrize(
    "use",
    [
        lambda handle: handle.poll(),
        lambda handle: handle.wait(1),
        lambda handle: handle.signal(0),
        lambda handle: handle.kill(),
        lambda handle: handle.communicate(timeout=1),
    ],
)
def test_a_handle_is_refused_in_a_fork(
    made: Made, use: Callable[[lc.ProcessHandle], Any]
) -> None:
    with made() as container:
        handle = container.run(sleep())
        assert in_fork(lambda: use(handle)) == "ForkedError"
        assert handle.poll() is None
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(handle)


def test_a_fork_that_leaves_a_block_ends_nothing(made: Made) -> None:
    with made() as container, container.run(sleep()) as handle:
        pid = os.fork()
        if not pid:
            handle.__exit__(None, None, None)
            container.__exit__(None, None, None)
            del handle, container
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert container.status() is lc.Status.RUNNING
        assert handle.poll() is None
        handle.kill()


def test_a_popen_in_a_fork_does_not_write_what_its_parent_buffers(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    with lc.Popen(
        ["cat"],
        rootfs=lc.Overlay(str(busybox_rootfs)),
        factory=factory,
        stdin=lc.PIPE,
        stdout=lc.PIPE,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b"once")
        pid = os.fork()
        if not pid:
            process.__exit__(None, None, None)
            os._exit(0)
        os.waitpid(pid, 0)
        assert in_fork(process.poll) == "ForkedError"
        assert process.communicate() == (b"once", None)


def test_a_container_may_be_looked_at_and_ended_in_a_fork(made: Made) -> None:
    with made() as container:
        handle = container.run(sleep())
        assert in_fork(lambda: container.status().value) == "'running'"
        assert in_fork(lambda: container.signal("CONT")) == "None"
        status = in_fork(
            lambda: container.exec(lc.Process(["sh", "-c", "exit 7"])).wait().code
        )
        assert status == "7"
        assert in_fork(lambda: container.wait(0.1)) == "TimeoutExpired"
        assert in_fork(lambda: container.delete(force=True)) == "None"
        assert handle.wait().signal == 9


def test_a_fork_runs_containers_of_its_own_while_threads_launch(made: Made) -> None:
    stop = threading.Event()

    def launch() -> None:
        while not stop.is_set():
            with made() as container:
                container.run(lc.Process(["true"])).wait()

    def one() -> int | None:
        with made() as container:
            return container.run(lc.Process(["sh", "-c", "exit 9"])).wait(20).code

    threads = [threading.Thread(target=launch) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        assert [in_fork(one) for _ in range(20)] == ["9"] * 20
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_lock_that_is_let_go_is_free_though_a_fork_has_its_descriptor(
    made: Made,
) -> None:
    with made() as container:
        folder = container._store.open(container.id)
        folder.lock(timeout=1)
        pid = os.fork()
        if not pid:
            time.sleep(1000)
        folder.close()
        begun = time.monotonic()
        container.run(lc.Process(["true"])).wait()
        assert time.monotonic() - begun < 10
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def test_a_fork_in_the_middle_of_a_launch_does_not_hold_it_up(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    forks: list[int] = []
    spawn = launch.spawn

    def forking(*args: Any, **fields: Any) -> None:
        # As another thread may at this moment, to work on without an exec.
        forks.append(os.fork())
        if not forks[-1]:
            signal.pause()
        spawn(*args, **fields)

    try:
        with made() as container:
            monkeypatch.setattr(launch, "spawn", forking)
            # Until the fork ended: who waits for an exec waits for the end of a socket.
            container.run(lc.Process(["sleep", "1000"]))
            container.exec(lc.Process(["true"])).wait(60)
            assert len(forks) == 2
    finally:
        for pid in forks:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


_FORKS = """
import os, sys, threading, time
import libcontainer as lc
root, rootfs = sys.argv[1:]
begun = threading.Event()
class Slow:
    def find_spec(self, name, *rest):
        if name == "libcontainer.launcher":
            begun.set()
            time.sleep(0.5)
sys.meta_path.insert(0, Slow())
factory = lc.Factory(root)
def launch(name):
    with factory.create(name, lc.Config(rootfs=lc.Overlay(rootfs))) as box:
        return box.run(lc.Process(["sh", "-c", "exit 7"])).wait(60).code
thread = threading.Thread(target=launch, args=("parent",))
thread.start()
begun.wait()
pid = os.fork()
if not pid:
    os._exit(launch("child"))
thread.join()
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_a_fork_beside_the_first_launch_can_launch_too(
    state_root: Path, busybox_rootfs: Path
) -> None:
    state_root.chmod(0o700)
    words = [sys.executable, "-c", _FORKS, str(state_root), str(busybox_rootfs)]
    done = subprocess.run(
        words, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout == "7\n"


def test_lc_run_in_a_fork_makes_its_own_factory(busybox_rootfs: Path) -> None:
    overlay = lc.Overlay(str(busybox_rootfs))
    work = lambda: lc.run(["sh", "-c", "exit 5"], rootfs=overlay).returncode  # noqa: E731
    assert work() == 5
    assert in_fork(work) == "5"
