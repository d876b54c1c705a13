# SPDX-License-Identifier: Apache-2.0
"""Containers under an event loop: nothing blocks it, nothing is lost when it stops."""

from __future__ import annotations

import asyncio
import functools
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import anyio
import pytest
import uvloop

import libcontainer as lc
from libcontainer.aio import threads
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

# Its library keeps a pipe for good from the first loop on.
uvloop.new_event_loop().close()

Main = Callable[[], Coroutine[Any, Any, Any]]
Loop = Callable[[Main], Any]


def _by_uvloop(main: Main) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


LOOPS: dict[str, Loop] = {
    "asyncio": lambda main: asyncio.run(main()),
    "asyncio, debug": lambda main: asyncio.run(main(), debug=True),
    "uvloop": _by_uvloop,
    "anyio": lambda main: anyio.run(main, backend="asyncio"),
    "anyio on uvloop": functools.partial(
        anyio.run, backend="asyncio", backend_options={"use_uvloop": True}
    ),
}


@pytest.fixture(params=list(LOOPS))
def loop(request: pytest.FixtureRequest) -> Loop:
    """What runs a coroutine function to its end."""
    return LOOPS[request.param]


@pytest.fixture
def wishes(factory: lc.Factory, busybox_rootfs: Path) -> dict[str, Any]:
    return {"rootfs": lc.Overlay(str(busybox_rootfs)), "factory": factory}


@pytest.fixture
def container(factory: lc.Factory, busybox_rootfs: Path) -> Callable[[], lc.Container]:
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), init=True)
    return lambda: factory.create(new_id(), config)


def sh(script: str, **wishes: Any) -> lc.Process:
    return lc.Process(["sh", "-c", script], **wishes)


async def is_gone(root: Path) -> bool:
    return os.listdir(root) == []


# -- arun


def test_a_result_says_what_was_run_as_run_does(
    loop: Loop, wishes: dict[str, Any]
) -> None:
    async def main() -> None:
        for args in ("/bin/true", b"/bin/true", Path("/bin/true"), ["/bin/true"]):
            said = (await lc.arun(args, **wishes)).args
            assert said == lc.run(args, **wishes).args

    loop(main)


def test_arun_is_run(loop: Loop, wishes: dict[str, Any]) -> None:
    async def main() -> lc.Result[str]:
        script = "cat; echo err >&2; exit 3"
        return await lc.arun(
            script, shell=True, input="in\r\n", capture_output=True, text=True, **wishes
        )

    done = loop(main)
    assert (done.stdout, done.stderr, done.returncode) == ("in\n", "err\n", 3)
    assert (done.args, done.verdict, done.stats) == (done.args, "exited", None)
    assert done.status == lc.ExitStatus(code=3)
    assert done.wall_seconds > 0


def test_much_data_goes_all_ways(loop: Loop, wishes: dict[str, Any]) -> None:
    data = os.urandom(2 << 20)

    async def main() -> lc.Result[bytes]:
        args = ["tee", "/dev/stderr"]
        return await lc.arun(args, input=data, capture_output=True, **wishes)

    done = loop(main)
    assert (done.stdout == data, done.stderr == data) == (True, True)


def test_limits_and_verdicts_are_those_of_run(
    loop: Loop, wishes: dict[str, Any]
) -> None:
    async def main() -> lc.Result[bytes]:
        script = "for i in 1 2 3 4 5 6; do sleep 1 & done; wait"
        return await lc.arun(script, shell=True, pids=4, stderr=lc.DEVNULL, **wishes)

    done = loop(main)
    assert done.verdict == "pids_limit"
    assert done.stats.pids.limit == 4
    assert done.usage.wall_seconds > 0


def test_a_timeout_ends_everything_and_tells_the_rest(
    loop: Loop, wishes: dict[str, Any], state_root: Path
) -> None:
    async def main() -> lc.TimeoutExpired:
        script = "echo before; echo err >&2; sleep 1000 & sleep 1000"
        with pytest.raises(lc.TimeoutExpired) as caught:
            await lc.arun(
                script, shell=True, capture_output=True, timeout=0.5, **wishes
            )
        return caught.value

    error = loop(main)
    assert (error.output, error.stderr, error.timeout) == (b"before\n", b"err\n", 0.5)
    assert error.usage is not None
    assert os.listdir(state_root) == []


def test_errors_are_those_of_run(
    loop: Loop, wishes: dict[str, Any], state_root: Path
) -> None:
    async def main() -> None:
        with pytest.raises(lc.CalledProcessError):
            await lc.arun(["false"], check=True, **wishes)
        with pytest.raises(FileNotFoundError):
            await lc.arun(["nope"], stdout=lc.PIPE, **wishes)
        with pytest.raises(ValueError, match="stdin and input"):
            await lc.arun(["cat"], input=b"", stdin=lc.PIPE, **wishes)
        with pytest.raises(TypeError, match="nope"):
            await lc.arun(["cat"], nope=1, **wishes)

    loop(main)
    assert os.listdir(state_root) == []


def test_many_run_at_once_without_a_thread_for_each(
    loop: Loop, wishes: dict[str, Any]
) -> None:
    most = 0

    async def one(number: int) -> int:
        nonlocal most
        done = await lc.arun(f"sleep 0.5; exit {number}", shell=True, **wishes)
        most = max(most, threading.active_count())
        return done.returncode

    async def main() -> list[int]:
        return await asyncio.gather(*(one(number) for number in range(40)))

    before = threading.active_count()
    assert loop(main) == list(range(40))
    # The executor has min(32, processors + 4) of them.
    assert most - before <= min(32, (os.cpu_count() or 1) + 4)


def test_the_loop_goes_on_meanwhile(loop: Loop, wishes: dict[str, Any]) -> None:
    async def main() -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        task = asyncio.ensure_future(tick())
        await lc.arun(["sleep", "0.5"], **wishes)
        task.cancel()
        return ticks

    assert loop(main) >= 20


# -- cancellation


@pytest.mark.parametrize("moment", [0.0, 0.001, 0.003, 0.01, 0.3])
def test_a_cancelled_run_leaves_nothing(
    loop: Loop, wishes: dict[str, Any], state_root: Path, moment: float
) -> None:
    async def main() -> None:
        script = "sleep 1000 & sleep 1000"
        run = lc.arun(script, shell=True, capture_output=True, **wishes)
        task = asyncio.ensure_future(run)
        await asyncio.sleep(moment)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await is_gone(state_root)

    loop(main)


def test_cancelling_again_and_again_does_not_stop_the_clean_up(
    loop: Loop, wishes: dict[str, Any], state_root: Path
) -> None:
    async def main() -> None:
        task = asyncio.ensure_future(lc.arun(["sleep", "1000"], **wishes))
        await asyncio.sleep(0.05)
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
        assert task.cancelled()
        assert await is_gone(state_root)

    loop(main)


def test_a_timeout_of_asyncio_and_a_scope_of_anyio_cancel(
    wishes: dict[str, Any], state_root: Path
) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await lc.arun(["sleep", "1000"], **wishes)
        assert await is_gone(state_root)
        with anyio.move_on_after(0.2) as scope:
            await lc.arun(["sleep", "1000"], **wishes)
        assert scope.cancelled_caught
        assert await is_gone(state_root)

    anyio.run(main)


def test_the_end_of_the_loop_ends_what_runs(
    wishes: dict[str, Any], state_root: Path
) -> None:
    async def main() -> None:
        for _ in range(3):
            asyncio.ensure_future(lc.arun(["sleep", "1000"], **wishes))  # noqa: RUF006
        await asyncio.sleep(0.1)

    asyncio.run(main())
    assert os.listdir(state_root) == []


# -- containers and processes


def test_a_container_is_an_asynchronous_context(
    loop: Loop, container: Callable[[], lc.Container], state_root: Path
) -> None:
    async def main() -> None:
        async with container() as made:
            process = await made.arun(sh("read x; exit 4", stdin=lc.PIPE))
            assert (process.returncode, made.status()) == (None, lc.Status.RUNNING)
            other = await made.aexec(sh("echo $$", stdout=lc.PIPE))
            assert int((await other.communicate())[0]) > 1
            process.stdin.write(b"go\n")
            assert await process.wait() == lc.ExitStatus(code=4)
            assert process.returncode == 4
            process.close()
        assert await is_gone(state_root)
        async with container() as made:
            # As the design has it in one line.
            assert (await (await made.arun(sh("exit 6"))).wait()).code == 6

    loop(main)


def test_streams_are_those_of_asyncio(
    loop: Loop, container: Callable[[], lc.Container]
) -> None:
    async def main() -> None:
        pipes = {"stdin": lc.PIPE, "stdout": lc.PIPE, "stderr": lc.PIPE}
        async with container() as made, await made.arun(sh("cat", **pipes)) as process:
            for word in (b"one\n", b"two\n"):
                process.stdin.write(word)
                await process.stdin.drain()
                assert await process.stdout.readline() == word
            process.stdin.close()
            assert [line async for line in process.stdout] == []
        assert process.returncode == 0

    loop(main)


def test_after_a_timeout_communication_goes_on(
    loop: Loop, container: Callable[[], lc.Container]
) -> None:
    async def main() -> None:
        pipes = {"stdin": lc.PIPE, "stdout": lc.PIPE}
        script = "echo before; read x; sleep 0.5; echo $x"
        async with container() as made:
            process = await made.arun(sh(script, **pipes))
            with pytest.raises(lc.TimeoutExpired) as caught:
                await process.communicate(b"after\n", timeout=0.2)
            assert caught.value.output == b"before\n"
            with pytest.raises(lc.TimeoutExpired):
                await process.wait(timeout=0.01)
            assert await process.communicate() == (b"before\nafter\n", None)
            process.close()

    loop(main)


def test_leaving_a_process_by_an_error_kills_it(
    loop: Loop, container: Callable[[], lc.Container]
) -> None:
    async def main() -> None:
        async with container() as made:
            with pytest.raises(ZeroDivisionError):
                async with await made.arun(sh("sleep 1000")) as process:
                    raise ZeroDivisionError
            assert process.returncode == -9

    loop(main)


def test_signals_reach_it(loop: Loop, container: Callable[[], lc.Container]) -> None:
    async def main() -> None:
        async with container() as made, await made.arun(sh("sleep 1000")) as process:
            process.terminate()
            assert (await process.wait()).signal == 15
            process.kill()

    loop(main)


def test_a_handle_can_be_awaited(
    loop: Loop, container: Callable[[], lc.Container]
) -> None:
    async def main() -> None:
        async with container() as made:
            init = made.run(sh("sleep 0.3; exit 8"))
            joined = made.exec(sh("exit 9"))
            # The joined one is reaped meanwhile: init cannot end before that.
            waits = await asyncio.gather(init_end(init), init_end(init))
            assert [status.code for status in waits] == [8, 8]
            assert (await init_end(joined)).code in (9, None)

    async def init_end(handle: Awaitable[lc.ExitStatus]) -> lc.ExitStatus:
        return await handle

    loop(main)


def test_waiting_for_a_handle_may_be_cancelled(
    loop: Loop, container: Callable[[], lc.Container]
) -> None:
    async def main() -> None:
        async with container() as made:
            handle = made.run(sh("sleep 1000"))
            before = len(os.listdir("/proc/self/fd"))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(handle, 0.1)
            assert len(os.listdir("/proc/self/fd")) == before

    loop(main)


def test_a_process_that_somebody_else_reaps_is_seen_to_end(
    loop: Loop, container: Callable[[], lc.Container]
) -> None:
    async def main() -> None:
        async with container() as made:
            process = await made.arun(sh("exit 7"))
            assert await asyncio.to_thread(process.handle.wait) == lc.ExitStatus(code=7)
            assert await process.wait() == lc.ExitStatus(code=7)
            process.close()

    loop(main)


def test_init_is_waited_for_whoever_has_let_go_of_what_joined(
    loop: Loop, container: Callable[[], lc.Container]
) -> None:
    async def main() -> None:
        async with container() as made:
            init = await made.arun(sh("sleep 0.2; exit 8"))
            joined = await made.aexec(sh("sleep 1000"))
            joined.close()
            assert joined.returncode is None
            # The kernel ends init once what has joined is reaped.
            assert (await init.wait(60)).code == 8
            assert joined.returncode == -9
            init.close()

    loop(main)


# Attaches to a process and lets nobody reap it until it is told to.
_TRACES = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
if libc.ptrace(0x4206, int(sys.argv[1]), None, None):  # PTRACE_SEIZE
    raise OSError(ctypes.get_errno(), "ptrace")
print(flush=True)
sys.stdin.read()
"""


def test_an_end_that_a_debugger_keeps_is_looked_for_now_and_then(
    container: Callable[[], lc.Container], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    poll = lc.ProcessHandle.poll

    def counted(handle: lc.ProcessHandle) -> lc.ExitStatus | None:
        looks.append(handle)
        return poll(handle)

    async def main(handle: lc.ProcessHandle) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(handle, 0.5)

    with container() as made:
        handle = made.run(sh("sleep 1000"))
        tracer = [sys.executable, "-c", _TRACES, str(handle.host_pid)]
        with subprocess.Popen(
            tracer, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"\n"
            handle.kill()
            monkeypatch.setattr(lc.ProcessHandle, "poll", counted)
            with pytest.raises(lc.TimeoutExpired):
                handle.wait(0.5)
            asyncio.run(main(handle))
            assert 2 < len(looks) < 400
            process.communicate()
        assert handle.wait(60) == lc.ExitStatus(signal=9)


def test_a_cancelled_start_ends_the_process(
    loop: Loop, container: Callable[[], lc.Container]
) -> None:
    async def main() -> None:
        async with container() as made:
            task = asyncio.ensure_future(made.arun(sh("sleep 1000")))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert made.status() in (lc.Status.CREATING, lc.Status.STOPPED)

    loop(main)


def test_a_launch_that_outlasts_the_cancellation_is_undone_by_its_thread(
    loop: Loop,
    factory: lc.Factory,
    busybox_rootfs: Path,
    state_root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "CLEANUP_SECONDS", 0.1)
    hooks = lc.Hooks(create_runtime=[lambda _: time.sleep(1)])
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), hooks=hooks)
    made = factory.create("made", config)

    async def main() -> None:
        run = lc.arun(["sleep", "1000"], config=config, factory=factory)
        called = lc.contained(config=config, factory=factory)(a_coroutine)()
        first = made.arun(lc.Process(["sleep", "1000"]))
        tasks = [asyncio.ensure_future(work) for work in (run, called, first)]
        await asyncio.sleep(0.3)
        for task in tasks:
            task.cancel()
        for task in tasks:
            with pytest.raises(asyncio.CancelledError):
                await task

    loop(main)
    deadline = time.monotonic() + 20
    while os.listdir(state_root) != ["made"] or made.status() is lc.Status.RUNNING:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    made.delete(force=True)


async def a_coroutine() -> None:
    """Do nothing."""


def test_it_cannot_be_pickled(container: Callable[[], lc.Container]) -> None:
    async def main() -> None:
        async with container() as made, await made.arun(sh("true")) as process:
            assert repr(process).startswith("<AsyncProcess of <ProcessHandle ['sh'")
            with pytest.raises(TypeError, match="cannot be pickled"):
                pickle.dumps(process)

    asyncio.run(main())


def test_children_of_the_loop_stay_its_own(loop: Loop, wishes: dict[str, Any]) -> None:
    async def main() -> list[Any]:
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", "exit(5)")
        runs = [lc.arun(["sh", "-c", f"exit {n}"], **wishes) for n in range(5)]
        return [
            await child.wait(),
            *(r.returncode for r in await asyncio.gather(*runs)),
        ]

    assert loop(main) == [5, 0, 1, 2, 3, 4]


@pytest.mark.slow
def test_cancellation_at_any_moment_loses_no_child(
    wishes: dict[str, Any], state_root: Path
) -> None:
    rounds = int(os.environ.get("LIBCONTAINER_CANCELS", "100"))

    async def main() -> None:
        begun = time.monotonic()
        await lc.arun(["true"], **wishes)
        whole = time.monotonic() - begun
        for number in range(rounds):
            task = asyncio.ensure_future(lc.arun(["sleep", "1000"], **wishes))
            await asyncio.sleep(whole * 1.5 * number / rounds)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await is_gone(state_root)

    asyncio.run(main())
