# SPDX-License-Identifier: Apache-2.0
"""Pools of prepared containers, and the executor of concurrent.futures."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc

pytestmark = pytest.mark.needs("root", "rootfs")

Pools = Callable[..., lc.Pool]


@pytest.fixture
def config(busybox_rootfs: Path) -> lc.Config:
    return lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))


@pytest.fixture
def pools(factory: lc.Factory, config: lc.Config) -> Iterator[Pools]:
    made: list[lc.Pool] = []

    def make(script: str = "cat", size: int = 2, **fields: Any) -> lc.Pool:
        process = lc.Process(["sh", "-c", script], stdin=lc.PIPE, stdout=lc.PIPE)
        use = fields.pop("config", config)
        made.append(lc.Pool(use, process, size, factory=factory, **fields))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_containers_wait_at_the_gate_and_are_handed_out(
    pools: Pools, factory: lc.Factory
) -> None:
    pool = pools("read x; echo got $x $$", size=3)
    until(lambda: pool.ready == 3)
    assert {c.status() for c in factory} == {lc.Status.CREATED}
    with pool.take() as container:
        assert container.status() is lc.Status.RUNNING
        assert container.init.communicate(b"it\n") == (b"got it 1\n", None)
        assert container.init.wait().code == 0
    until(lambda: pool.ready == 3)
    assert repr(pool).startswith("<Pool 3 of 3 ready, ['sh', '-c'")


def test_each_is_handed_out_once(pools: Pools) -> None:
    pool = pools("cat", size=2)
    found: list[str] = []
    answers: list[bytes] = []

    def work(number: int) -> None:
        with pool.take() as container:
            found.append(container.id)
            word = str(number).encode()
            assert container.init.communicate(word) == (word, None)
            answers.append(word)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == len(answers) == 12


def test_it_may_be_told_to_make_none(pools: Pools) -> None:
    pool = pools("cat", size=2)
    until(lambda: pool.ready == 2)
    pool.pause()
    pool.run(b"x")
    time.sleep(0.3)
    assert pool.ready == 1
    pool.resume()
    until(lambda: pool.ready == 2)


def test_run_is_the_whole_of_it(pools: Pools, config: lc.Config) -> None:
    from attrs import evolve

    pool = pools("cat; exit 3", config=evolve(config, resources=lc.Resources(pids=9)))
    done = pool.run(b"data")
    assert (done.stdout, done.returncode, done.verdict) == (b"data", 3, "exited")
    assert done.stats is not None
    assert done.stats.pids.limit == 9
    assert done.usage.wall_seconds > 0


def test_a_run_that_takes_too_long_is_killed_and_what_it_said_is_told(
    pools: Pools,
) -> None:
    slow = pools("echo before; sleep 1000")
    with pytest.raises(lc.TimeoutExpired) as caught:
        slow.run(timeout=0.5)
    assert caught.value.output == b"before\n"
    assert caught.value.timeout == 0.5
    assert caught.value.usage.wall_seconds > 0.4


def test_closing_deletes_those_that_wait(pools: Pools, state_root: Path) -> None:
    pool = pools(size=3)
    taken = pool.take()
    pool.close()
    pool.close()
    assert os.listdir(state_root) == [taken.id]
    with pytest.raises(lc.StateError, match="closed"):
        pool.take()
    taken.delete(force=True)
    assert os.listdir(state_root) == []


def test_a_pool_that_is_forgotten_is_closed(pools: Pools, state_root: Path) -> None:
    process, other = lc.Process(["true"]), pools("true")
    forgotten = lc.Pool(other.config, process, 2, factory=other._stock.factory)
    stock = forgotten._stock
    until(lambda: len(stock.containers) == 2)
    ids = {container.id for container in stock.containers}
    del forgotten
    gc.collect()
    until(lambda: not ids & set(os.listdir(state_root)))


def test_what_cannot_be_prepared_is_told_at_once(
    factory: lc.Factory, config: lc.Config, state_root: Path
) -> None:
    with pytest.raises(lc.ConfigError):
        lc.Pool(config, lc.Process([]), factory=factory)
    with pytest.raises(ValueError, match="size"):
        lc.Pool(config, lc.Process(["true"]), 0, factory=factory)
    with pytest.raises(FileNotFoundError):
        lc.Pool(config, lc.Process(["nope"]), factory=factory)
    assert os.listdir(state_root) == []


def test_one_that_was_killed_while_it_waited_is_passed_over(
    pools: Pools, factory: lc.Factory
) -> None:
    pool = pools("cat", size=2)
    until(lambda: pool.ready == 2)
    for container in factory:
        os.kill(container.state().init.host_pid, signal.SIGKILL)  # type: ignore[union-attr]
    with pool.take() as container:
        assert container.init.communicate(b"x") == (b"x", None)


def test_a_later_failure_is_told_to_who_takes(
    pools: Pools, busybox_rootfs: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    config = lc.Config(
        rootfs=lc.Overlay(str(busybox_rootfs)),
        mounts=[lc.Mount.bind(folder, "/mnt")],
    )
    pool = pools("cat", size=1, config=config)
    folder.rename(tmp_path / "away")
    with pool.take():
        pass
    with pytest.raises(lc.ConfigError, match="does not exist"):
        pool.take()
    (tmp_path / "away").rename(folder)
    with pytest.raises(lc.LibcontainerError), pool.take(0.0):
        pass
    with pool.take(20) as container:
        assert container.status() is lc.Status.RUNNING


def test_an_error_of_the_system_is_told_once_and_the_pool_goes_on(
    pools: Pools, monkeypatch: pytest.MonkeyPatch, state_root: Path
) -> None:
    prepare = lc.Container.prepare
    full = [OSError(errno.EMFILE, "Too many open files")]

    def prepare_once(*args: Any, **keywords: Any) -> Any:
        if full:
            raise full.pop()
        return prepare(*args, **keywords)

    pool = pools("cat", size=1)
    monkeypatch.setattr(lc.Container, "prepare", prepare_once)
    pool.take().delete(force=True)
    with pytest.raises(OSError, match="Too many open files"):
        pool.take(20)
    with pool.take(20) as container:
        assert container.status() is lc.Status.RUNNING
    until(lambda: pool.ready == 1)
    assert len(os.listdir(state_root)) == 1


def test_what_could_not_be_deleted_is_deleted_later(
    pools: Pools, monkeypatch: pytest.MonkeyPatch, state_root: Path
) -> None:
    pool = pools("cat", size=1)
    delete = lc.Container.delete
    full = [OSError(errno.EMFILE, "Too many open files")] * 2

    def fail(*_: Any, **__: Any) -> None:
        raise full[0]

    def delete_later(*args: Any, **keywords: Any) -> None:
        if full:
            raise full.pop()
        delete(*args, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(lc.Container, "start", fail)
        patch.setattr(lc.Container, "delete", delete_later)
        with pytest.raises(OSError, match="Too many open files"):
            pool.take()
        until(lambda: pool.ready == 1)
        pool.close()
        pool.close()
    assert os.listdir(state_root) == []


def test_without_a_thread_there_is_no_pool(
    factory: lc.Factory,
    config: lc.Config,
    monkeypatch: pytest.MonkeyPatch,
    state_root: Path,
) -> None:
    def refuse(_: threading.Thread) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="new thread"):
        lc.Pool(config, lc.Process(["true"], stdin=lc.DEVNULL), factory=factory)
    assert os.listdir(state_root) == []


def test_an_interrupt_loses_no_container_that_was_taken(
    pools: Pools, monkeypatch: pytest.MonkeyPatch, state_root: Path
) -> None:
    pool = pools("cat", size=1)
    pool.pause()
    until(lambda: pool.ready == 1)
    refill = pool._stock.refill

    def interrupted() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        refill()

    monkeypatch.setattr(pool._stock, "refill", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pool.take()
    assert os.listdir(state_root) == []


def test_an_interrupt_does_not_keep_a_pool_from_being_closed(
    pools: Pools, monkeypatch: pytest.MonkeyPatch, state_root: Path
) -> None:
    pool = pools("cat", size=3)
    until(lambda: pool.ready == 3)
    delete = lc.Container.delete

    def interrupted(*args: Any, **keywords: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        delete(*args, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(lc.Container, "delete", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pool.close()
    assert os.listdir(state_root) == []
    pool.close()


def test_what_a_killed_pool_has_left_goes_with_the_next(
    pools: Pools, state_root: Path, busybox_rootfs: Path
) -> None:
    script = f"""
import libcontainer as lc, os, time
pool = lc.Pool(lc.Config(rootfs=lc.Overlay({str(busybox_rootfs)!r})),
    lc.Process(["cat"], stdin=lc.DEVNULL, stdout=lc.DEVNULL, stderr=lc.DEVNULL),
    2, factory=lc.Factory({str(state_root)!r}))
while pool.ready < 2: time.sleep(0.01)
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", script], check=False)
    left = set(os.listdir(state_root))
    assert len(left) == 2
    pool = pools("cat")
    assert not left & set(os.listdir(state_root))
    assert pool.run(b"x").stdout == b"x"


def test_a_fork_has_no_part_in_it(pools: Pools, state_root: Path) -> None:
    pool = pools("cat")
    pid = os.fork()
    if not pid:
        code = 1
        try:
            pool.take()
        except lc.ForkedError:
            pool.close()
            code = 0
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert os.listdir(state_root) != []
    assert pool.run(b"x").stdout == b"x"
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(pool)


def test_a_pool_works_under_asyncio(pools: Pools, state_root: Path) -> None:
    async def main() -> None:
        async with pools("cat", size=2) as pool:

            async def one(number: int) -> bytes:
                async with await pool.atake() as container:
                    process = await lc.AsyncProcess.connect(container.init)
                    out, _ = await process.communicate(str(number).encode())
                    process.close()
                    return out or b""

            found = await asyncio.gather(*(one(n) for n in range(6)))
            assert found == [str(n).encode() for n in range(6)]
        assert os.listdir(state_root) == []

    asyncio.run(main())


def test_a_cancelled_wait_ends_at_once_and_takes_nothing(
    pools: Pools, state_root: Path
) -> None:
    async def main() -> None:
        pool = pools("cat", size=1)
        pool.pause()
        (await pool.atake()).delete(force=True)
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pool.atake(), 0.2)
        assert time.monotonic() - begun < 10
        pool.resume()
        await asyncio.to_thread(until, lambda: pool.ready == 1)
        await asyncio.sleep(0.2)
        assert pool.ready == len(os.listdir(state_root)) == 1

    asyncio.run(main())


# -- the executor


@pytest.fixture
def options(factory: lc.Factory, busybox_rootfs: Path) -> dict[str, Any]:
    return {"rootfs": lc.Overlay(str(busybox_rootfs)), "factory": factory}


def counted() -> list[int]:
    sys.calls = getattr(sys, "calls", 0) + 1  # type: ignore[attr-defined]
    return [sys.calls, os.getpid()]


def test_tasks_run_in_fresh_containers(
    options: dict[str, Any], state_root: Path
) -> None:
    with lc.ContainerExecutor(3, **options) as executor:
        assert list(executor.map(pow, range(6), [2] * 6)) == [n * n for n in range(6)]
        assert [executor.submit(counted).result() for _ in range(2)] == [[1, 1]] * 2
        with pytest.raises(ZeroDivisionError):
            executor.submit(lambda: 1 // 0).result()
        with pytest.raises(TypeError, match="cannot send"):
            executor.submit(print, threading.Lock())
    assert os.listdir(state_root) == []
    with pytest.raises(RuntimeError, match="shutdown"):
        executor.submit(counted)


def test_a_reused_container_keeps_what_a_task_left(
    options: dict[str, Any], state_root: Path
) -> None:
    with lc.ContainerExecutor(1, reuse=True, **options) as executor:
        assert [executor.submit(counted).result() for _ in range(3)] == [
            [1, 1],
            [2, 1],
            [3, 1],
        ]
        assert len(os.listdir(state_root)) == 1
        with pytest.raises(ZeroDivisionError):
            executor.submit(lambda: 1 // 0).result()
        assert executor.submit(counted).result() == [4, 1]
        with pytest.raises(lc.CallFailedError):
            executor.submit(os._exit, 3).result()
        # That one was replaced.
        assert executor.submit(counted).result() == [1, 1]
    assert os.listdir(state_root) == []


@pytest.mark.parametrize("reuse", [False, True])
def test_a_task_that_takes_too_long_is_ended(
    options: dict[str, Any], state_root: Path, reuse: bool
) -> None:
    with lc.ContainerExecutor(1, reuse=reuse, timeout=2, **options) as executor:
        with pytest.raises(lc.TimeoutExpired):
            executor.submit(time.sleep, 1000).result()
        assert executor.submit(pow, 2, 3).result() == 8
    assert os.listdir(state_root) == []


@pytest.mark.parametrize("reuse", [False, True])
def test_it_may_be_shut_down_without_waiting(
    options: dict[str, Any], state_root: Path, reuse: bool
) -> None:
    executor = lc.ContainerExecutor(2, reuse=reuse, **options)
    futures = [executor.submit(time.sleep, 0.2) for _ in range(4)]
    executor.shutdown(wait=False)
    wait(futures)
    until(lambda: os.listdir(state_root) == [])
    executor._threads.shutdown()


def test_an_executor_that_is_forgotten_deletes_its_containers(
    options: dict[str, Any], state_root: Path
) -> None:
    executor = lc.ContainerExecutor(1, reuse=True, **options)
    assert executor.submit(pow, 2, 3).result() == 8
    assert len(os.listdir(state_root)) == 1
    worker = next(iter(executor._threads._threads))
    del executor
    gc.collect()
    assert os.listdir(state_root) == []
    worker.join(20)


def test_an_executor_is_shut_down_with_its_program(
    state_root: Path, busybox_rootfs: Path
) -> None:
    script = f"""
import libcontainer as lc, os
root = {str(state_root)!r}
rootfs = lc.Overlay({str(busybox_rootfs)!r})
made = lc.ContainerExecutor(2, reuse=True, rootfs=rootfs, factory=lc.Factory(root))
print(list(made.map(pow, [2, 3], [2, 2])), len(os.listdir(root)))
"""
    said = subprocess.check_output([sys.executable, "-c", script], text=True)
    assert said in ("[4, 9] 1\n", "[4, 9] 2\n")
    assert os.listdir(state_root) == []


def test_it_is_an_executor_of_a_loop(options: dict[str, Any]) -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        with lc.ContainerExecutor(2, reuse=True, **options) as executor:
            calls = (loop.run_in_executor(executor, pow, n, 2) for n in range(5))
            return await asyncio.gather(*calls)

    assert asyncio.run(main()) == [0, 1, 4, 9, 16]
