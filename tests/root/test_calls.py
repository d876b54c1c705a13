# SPDX-License-Identifier: Apache-2.0
"""Functions of the caller in a container: any root, any end, any trust."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

import libcontainer as lc
from libcontainer import containing
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

Made = Callable[..., lc.Container]

CALLS: list[int] = []


def count() -> int:
    CALLS.append(1)
    return len(CALLS)


def about() -> dict[str, Any]:
    names = ("uts", "pid", "net", "mnt")
    return {
        "pid": os.getpid(),
        "namespaces": {name: os.readlink(f"/proc/self/ns/{name}") for name in names},
        "python": sys.version,
        "fds": sorted(map(int, os.listdir("/proc/self/fd"))),
        "environment": dict(os.environ),
        "root": sorted(os.listdir("/")),
    }


@pytest.fixture(params=["busybox", "nothing", "host"])
def made(
    request: pytest.FixtureRequest,
    factory: lc.Factory,
    busybox_rootfs: Path,
    public_tmp: Path,
) -> Made:
    """A container on a root filesystem that has no interpreter, or any other."""
    nothing = public_tmp / "nothing"
    nothing.mkdir(exist_ok=True)
    roots = {
        "busybox": lc.Overlay(str(busybox_rootfs)),
        "nothing": lc.Overlay(str(nothing)),
        "host": lc.Overlay.host(),
    }

    def make(**fields: Any) -> lc.Container:
        config = lc.with_python(lc.Config(rootfs=roots[request.param], **fields))
        return factory.create(new_id(), config)

    return make


@pytest.fixture
def options(factory: lc.Factory, busybox_rootfs: Path) -> dict[str, Any]:
    return {"rootfs": lc.Overlay(str(busybox_rootfs)), "factory": factory}


def test_a_function_runs_inside_and_its_result_comes_out(made: Made) -> None:
    with made() as container:
        seen = container.call(about)
    assert seen["pid"] == 1
    for name, own in seen["namespaces"].items():
        assert own != os.readlink(f"/proc/self/ns/{name}")
    assert seen["python"] == sys.version
    assert set(seen["environment"]) <= {"PATH", "HOME", "LC_CTYPE"}
    # Its streams, the socket, the list that it reads.
    assert len(seen["fds"]) == 5


def test_nothing_is_shared_with_the_caller(made: Made) -> None:
    with made() as container:
        assert container.call(count) == 1
    assert CALLS == []


def test_the_standard_library_works_inside(made: Made) -> None:
    def work() -> list[Any]:
        import ctypes
        import hashlib
        import sqlite3
        import ssl

        one = sqlite3.connect(":memory:").execute("select 6 * 7").fetchone()[0]
        digest = hashlib.sha256(b"").hexdigest()[:8]
        return [one, digest, bool(ssl.OPENSSL_VERSION), ctypes.sizeof(ctypes.c_int)]

    with made() as container:
        assert container.call(work) == [42, "e3b0c442", True, 4]


def test_packages_of_the_caller_are_there_and_read_only(made: Made) -> None:
    def work() -> list[Any]:
        import errno

        import attrs

        try:
            Path(attrs.__file__).write_text("x")
        except OSError as error:
            return [attrs.__name__, errno.errorcode[error.errno or 0]]
        return []

    with made() as container:
        assert container.call(work) == ["attrs", "EROFS"]
    assert Path(attrs.__file__).stat().st_size > 1


def test_a_further_call_joins_what_runs(factory: lc.Factory, made: Made) -> None:
    with made() as container:
        init = container.call(os.getpid)
        assert init == 1
    config = lc.with_python(lc.Config())
    with factory.create(new_id(), config) as container:
        container.run(lc.Process(["sleep", "1000"]))
        assert container.call(os.getpid) > 1
        assert container.call(lambda: Path("/tmp/x").write_text("kept")) == 4
        assert container.call(lambda: Path("/tmp/x").read_text()) == "kept"
        assert container.status() is lc.Status.RUNNING


def test_a_container_without_an_interpreter_says_what_to_do(
    factory: lc.Factory,
) -> None:
    with factory.create(new_id(), lc.Config()) as container:
        with pytest.raises(lc.UnsupportedError, match="with_python"):
            container.call(count)
        assert container.status() is lc.Status.CREATING


def test_another_user_may_run_it(made: Made) -> None:
    with made(user="1234:99") as container:
        assert container.call(lambda: [os.getuid(), os.getgid()]) == [1234, 99]


def test_output_is_that_of_the_process(made: Made, capfd: Any) -> None:
    def speak() -> None:
        sys.stdout.write("said")
        sys.stderr.write("complained")

    with made() as container:
        container.call(speak)
    assert capfd.readouterr() == ("said", "complained")


# -- contained


def test_a_decorated_function_is_called_as_before(
    options: dict[str, Any], state_root: Path
) -> None:
    @lc.contained(memory="128M", hostname="box", **options)
    def work(a: int, /, b: int = 2, *rest: int, c: int = 4) -> list[Any]:
        """Do some work."""
        return [a, b, rest, c, os.uname().nodename]

    assert work(1) == [1, 2, (), 4, "box"]
    assert work(1, 3, 5, 6, c=7) == [1, 3, (5, 6), 7, "box"]
    assert (work.__name__, work.__doc__) == ("work", "Do some work.")
    with pytest.raises(TypeError, match="missing 1 required positional"):
        work()  # type: ignore[call-arg]
    assert os.listdir(state_root) == []


def test_an_unknown_keyword_is_told_at_once() -> None:
    with pytest.raises(TypeError, match="nope"):
        lc.contained(nope=1)  # type: ignore[call-arg]


def test_the_end_without_an_answer_has_a_verdict(options: dict[str, Any]) -> None:
    def leave(code: int) -> None:
        os._exit(code)

    def crash() -> None:
        os.kill(os.getpid(), signal.SIGSEGV)

    def eat() -> None:
        held = []
        while True:
            held.append(bytearray(1 << 20))

    for function, args, limits, verdict in [
        (leave, (5,), {}, "exited"),
        (crash, (), {"init": True}, "signalled"),
        (eat, (), {"memory": "64M"}, "oom"),
    ]:
        with pytest.raises(lc.CallFailedError) as caught:
            lc.contained(**options, **limits)(function)(*args)  # type: ignore[operator]
        assert caught.value.verdict == verdict
        assert verdict in str(caught.value)


def test_what_a_function_has_raised_is_no_failed_setup(
    options: dict[str, Any],
) -> None:
    def fail() -> None:
        class OwnError(Exception):
            pass

        raise OwnError

    with pytest.raises(lc.RemoteError) as caught:
        lc.contained(**options)(fail)()
    assert caught.value.verdict == "exited"


def test_a_timeout_ends_it(options: dict[str, Any], state_root: Path) -> None:
    @lc.contained(timeout=0.5, **options)
    def hang() -> None:
        subprocess.Popen(["sleep", "1000"])
        time.sleep(1000)

    begun = time.monotonic()
    with pytest.raises(lc.TimeoutExpired):
        hang()
    assert time.monotonic() - begun < 10
    assert os.listdir(state_root) == []


def test_a_hostile_function_cannot_run_anything_here(options: dict[str, Any]) -> None:
    import pickle

    @lc.contained(**options)
    def attack() -> None:
        class Trap:
            def __reduce__(self) -> tuple[Any, ...]:
                return exec, ("import sys; sys.was_trapped = True",)

        message = b"P" + pickle.dumps((True, Trap()))
        os.write(3, len(message).to_bytes(8, "big") + message)
        os._exit(0)

    with pytest.raises(lc.CallError, match="not trusted"):
        attack()
    assert not hasattr(sys, "was_trapped")


def test_an_answer_that_would_fill_the_memory_is_not_read(
    options: dict[str, Any],
) -> None:
    @lc.contained(**options)
    def attack() -> None:
        os.write(3, (1 << 50).to_bytes(8, "big"))
        time.sleep(1000)

    with pytest.raises(lc.CallError, match="bytes is not read"):
        attack()


def test_much_data_goes_both_ways(options: dict[str, Any]) -> None:
    data = os.urandom(8 << 20)

    @lc.contained(trust=True, **options)
    def back(value: bytes) -> bytes:
        return value[::-1]

    assert back(data) == data[::-1]


def test_what_is_left_running_does_not_keep_the_call(options: dict[str, Any]) -> None:
    @lc.contained(**options)
    def leave() -> str:
        threading.Thread(target=time.sleep, args=(1000,)).start()
        if os.fork() == 0:
            time.sleep(1000)
        return "done"

    begun = time.monotonic()
    assert leave() == "done"
    assert time.monotonic() - begun < 10


def lets_go_of_everything() -> None:
    os.closerange(3, 100)
    time.sleep(1000)


def test_a_function_that_closes_its_socket_has_no_more_time_than_others(
    made: Made, options: dict[str, Any], state_root: Path
) -> None:
    late = pytest.raises(lc.TimeoutExpired, match="a call")
    begun = time.monotonic()
    with made() as container, late:
        container.call(lets_go_of_everything, timeout=1)
    with made() as container, late:
        asyncio.run(container.acall(lets_go_of_everything, timeout=1))
    with late:
        lc.contained(timeout=1, **options)(lets_go_of_everything)()
    assert time.monotonic() - begun < 60
    assert os.listdir(state_root) == []


def test_a_function_that_answers_itself_has_no_more_time_either(
    options: dict[str, Any],
) -> None:
    @lc.contained(timeout=1, **options)
    def answers() -> None:
        message = b'J["value",7]'
        os.write(3, len(message).to_bytes(8, "big") + message)
        time.sleep(1000)

    begun = time.monotonic()
    assert answers() == 7
    assert time.monotonic() - begun < 60


def test_an_interrupt_leaves_no_container_of_a_call(
    options: dict[str, Any], state_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    discard = containing.discard

    def interrupted(*args: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        discard(*args)

    monkeypatch.setattr(containing, "discard", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lc.contained(**options)(pow)(2, 3)
    assert os.listdir(state_root) == []


def test_an_interrupt_ends_a_call(options: dict[str, Any], state_root: Path) -> None:
    timer = threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        lc.contained(**options)(time.sleep)(1000)
    timer.join()
    assert os.listdir(state_root) == []


def test_many_threads_call_at_once(options: dict[str, Any]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    @lc.contained(**options)
    def square(n: int) -> int:
        return n * n

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(square, range(16))) == [n * n for n in range(16)]


# -- asyncio


def test_calls_may_be_awaited(options: dict[str, Any], state_root: Path) -> None:
    @lc.contained(**options)
    async def work(n: int) -> list[int]:
        await asyncio.sleep(0.01)
        return [n, os.getpid()]

    @lc.contained(timeout=0.3, **options)
    async def hang() -> None:
        await asyncio.sleep(1000)

    async def main() -> None:
        found = await asyncio.gather(*(work(n) for n in range(5)))
        assert found == [[n, 1] for n in range(5)]
        with pytest.raises(lc.TimeoutExpired):
            await hang()
        task = asyncio.ensure_future(hang())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert os.listdir(state_root) == []

    asyncio.run(main())


def test_a_container_awaits_calls(made: Made) -> None:
    async def main() -> None:
        async with made() as container:
            assert await container.acall(lambda a, b: a + b, 1, b=2) == 3
        async with made() as container:
            with pytest.raises(ZeroDivisionError):
                await container.acall(lambda: 1 // 0)

    asyncio.run(main())


@pytest.mark.needs("userns")
def test_an_unprivileged_caller_calls_functions(unprivileged: Any) -> None:
    work = (
        "import os; import libcontainer as lc;"
        "work = lc.contained()(lambda: [os.getuid(), os.getpid()]);"
        "print(work())"
    )
    # The interpreter of the tests may be in a home that others cannot enter.
    script = f"""
import os, sys
path = [p for p in sys.path if p.endswith(("site-packages", "src"))]
environment = {{**os.environ, "PYTHONPATH": ":".join(path)}}
program = sys.executable
if not os.access(os.path.realpath(program), os.X_OK):
    program = "/usr/bin/python3"
os.execve(program, [program, "-c", {work!r}], environment)
"""
    done = unprivileged(script)
    assert (done.stderr, done.stdout) == ("", "[0, 1]\n")
