# SPDX-License-Identifier: Apache-2.0
"""A launch works wherever in a program it is called, and disturbs nothing there."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import libcontainer as lc
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

Launch = Callable[[int], lc.ExitStatus]

_THREADS = 32
_LAUNCHES = int(os.environ.get("LIBCONTAINER_STRESS", "200"))
_MANY_FDS = 5000

# What each script begins with; exit_code() launches and returns the status.
_START = """
import os, resource, signal, subprocess, sys, threading
import libcontainer as lc
root, rootfs = sys.argv[1:]
config = lc.Config(rootfs=lc.Overlay(rootfs))
def exit_code(code, name="box", **wishes):
    with lc.Factory(root) as factory, factory.create(name, config) as container:
        process = lc.Process(["sh", "-c", f"exit {code}"], **wishes)
        return container.run(process).wait().returncode
"""


@pytest.fixture
def launch(factory: lc.Factory, busybox_rootfs: Path) -> Launch:
    """Launch a program that ends with a code; return its status."""
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))

    def run(code: int) -> lc.ExitStatus:
        with (
            factory.create(new_id(), config) as container,
            container.run(lc.Process(["sh", "-c", f"exit {code}"])) as process,
        ):
            return process.wait()

    return run


@pytest.fixture
def script(state_root: Path, busybox_rootfs: Path) -> Callable[..., str]:
    """Run a script in a fresh interpreter, warnings being errors there."""
    state_root.chmod(0o700)

    def run(text: str, **keywords: object) -> str:
        command = [sys.executable, "-W", "error", "-c", _START + text]
        done = subprocess.run(
            [*command, str(state_root), str(busybox_rootfs)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **keywords,  # type: ignore[call-overload]
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert os.listdir(state_root) == []
        return str(done.stdout).strip()

    return run


def test_a_launch_works_in_a_thread(launch: Launch) -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(launch, 7).result() == lc.ExitStatus(code=7)


def test_a_launch_works_under_an_event_loop(launch: Launch) -> None:
    async def main() -> None:
        assert launch(3) == lc.ExitStatus(code=3)
        calls = (asyncio.to_thread(launch, code) for code in range(8))
        statuses = await asyncio.gather(*calls)
        assert [status.code for status in statuses] == list(range(8))
        # The loop's own children are still its own.
        child = await asyncio.create_subprocess_exec("sh", "-c", "exit 5")
        assert await child.wait() == 5

    asyncio.run(main())


def test_a_pidfd_tells_an_event_loop_of_the_end(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))

    async def main() -> None:
        with factory.create(new_id(), config) as container:
            process = container.run(lc.Process(["sh", "-c", "exit 9"]))
            ended = asyncio.Event()
            loop = asyncio.get_running_loop()
            pidfd = process.pidfd
            loop.add_reader(pidfd, ended.set)
            await asyncio.wait_for(ended.wait(), 20)
            loop.remove_reader(pidfd)
            assert process.poll() == lc.ExitStatus(code=9)

    asyncio.run(main())


@pytest.mark.needs("exit_info")
def test_the_status_is_right_where_the_program_ignores_its_children(
    script: Callable[..., str],
) -> None:
    text = "signal.signal(signal.SIGCHLD, signal.SIG_IGN); print(exit_code(42))"
    assert script(text) == "42"


@pytest.mark.needs("exit_info")
def test_the_status_is_right_where_the_program_reaps_everything(
    script: Callable[..., str],
) -> None:
    text = """
def reap():
    while not done.wait(0.0001):
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            pass
done = threading.Event()
thread = threading.Thread(target=reap)
thread.start()
print([exit_code(code) for code in range(40)] == list(range(40)))
done.set()
thread.join()
"""
    assert script(text) == "True"


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_standard_streams_that_are_closed_are_dev_null_inside(
    script: Callable[..., str], tmp_path: Path, closed: tuple[int, ...]
) -> None:
    text = f"""
for fd in {closed}:
    os.close(fd)
test = "[ $(readlink /proc/$$/fd/%d) = /dev/null ]"
tests = " && ".join(test % fd for fd in {closed})
with lc.Factory(root) as factory, factory.create("box", config) as container:
    code = container.run(lc.Process(["sh", "-c", tests])).wait().code
opened = [fd for fd in {closed} if os.path.exists(f"/proc/self/fd/{{fd}}")]
with open({str(tmp_path / "said")!r}, "w") as file:
    file.write(f"{{code}} {{opened}}")
os._exit(0)
"""
    script(text)
    assert (tmp_path / "said").read_text() == "0 []"


def test_a_launch_works_where_the_working_directory_is_gone(
    script: Callable[..., str], tmp_path: Path
) -> None:
    text = (
        "os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone'); print(exit_code(4))"
    )
    assert script(text, cwd=tmp_path) == "4"


def test_a_launch_works_with_few_descriptors_allowed(
    script: Callable[..., str],
) -> None:
    text = """
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (32, hard))
print([exit_code(code) for code in range(10)] == list(range(10)))
"""
    assert script(text) == "True"


def test_a_launch_works_in_a_fork_of_the_program(script: Callable[..., str]) -> None:
    text = """
with lc.Factory(root) as factory:
    def run(code):
        with factory.create(f"box-{os.getpid()}", config) as container:
            return container.run(lc.Process(["sh", "-c", f"exit {code}"])).wait().code
    assert run(1) == 1
    for round in range(5):
        pid = os.fork()
        if not pid:
            os._exit(run(2))
        assert run(3) == 3
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
    print("done")
"""
    assert script(text) == "done"


def test_a_program_with_a_child_of_its_own_keeps_it(script: Callable[..., str]) -> None:
    text = """
child = subprocess.Popen(["sh", "-c", "exit 6"])
os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
print([exit_code(code) for code in range(5)], child.wait())
"""
    assert script(text) == "[0, 1, 2, 3, 4] 6"


def test_blocked_signals_of_the_caller_are_not_blocked_inside(
    script: Callable[..., str],
) -> None:
    text = """
signals = {signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD}
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
signal.signal(signal.SIGINT, signal.SIG_IGN)
with lc.Factory(root) as factory:
    overlay = lc.Overlay(rootfs)
    args = ["grep", "-E", "Sig(Blk|Ign|Cgt)", "/proc/self/status"]
    said = lc.run(args, rootfs=overlay, factory=factory, capture_output=True)
print(said.stdout.decode().split())
assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == signals
"""
    words = script(text)
    assert words == str(
        [w for n in ("Blk", "Ign", "Cgt") for w in (f"Sig{n}:", "0" * 16)]
    )


def test_a_launch_works_in_a_program_with_very_many_descriptors(
    launch: Launch,
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < _MANY_FDS + 100:
        pytest.skip(f"RLIMIT_NOFILE is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, _MANY_FDS + 100), hard))
    opened: list[int] = []
    try:
        opened += [os.open("/dev/null", os.O_RDONLY) for _ in range(_MANY_FDS)]
        for fd in opened[::2]:
            os.set_inheritable(fd, True)
        assert launch(5) == lc.ExitStatus(code=5)
    finally:
        for fd in opened:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("inheritable", [False, True])
def test_no_descriptor_of_the_caller_is_seen_inside(
    factory: lc.Factory, busybox_rootfs: Path, inheritable: bool
) -> None:
    secret = os.open("/etc/passwd", os.O_RDONLY)
    try:
        os.set_inheritable(secret, inheritable)
        overlay = lc.Overlay(str(busybox_rootfs))
        args = ["sh", "-c", "cd /proc/self/fd; echo *"]
        said = lc.run(args, rootfs=overlay, factory=factory, stdout=lc.PIPE)
        # The shell's own directory is the fourth, if it has one open.
        assert set(said.stdout.split()) <= {b"0", b"1", b"2", b"3"}
        assert said.stdout.split()[:3] == [b"0", b"1", b"2"]
    finally:
        os.close(secret)


@pytest.mark.slow
def test_many_threads_launch_at_once(launch: Launch) -> None:
    wrong: list[tuple[int, object]] = []

    def work(thread: int) -> None:
        for number in range(_LAUNCHES):
            code = (thread * _LAUNCHES + number) % 256
            try:
                status = launch(code)
            except Exception as error:
                wrong.append((code, error))
                return
            if status != lc.ExitStatus(code=code):
                wrong.append((code, status))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_threads_of_the_caller_that_fork_get_nothing(launch: Launch) -> None:
    """Another thread's children must not hold what a launch has open."""
    stop = time.monotonic() + 2
    seen: set[str] = set()

    def fork() -> None:
        while time.monotonic() < stop:
            command = ["sh", "-c", "ls -l /proc/self/fd | grep -v ' /proc/'"]
            done = subprocess.run(
                command,
                close_fds=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                text=True,
            )
            seen.update(line.rpartition("-> ")[2] for line in done.stdout.splitlines())

    thread = threading.Thread(target=fork)
    thread.start()
    while thread.is_alive():
        assert launch(1) == lc.ExitStatus(code=1)
    thread.join()
    foreign = {
        name for name in seen if "memfd" in name or name.startswith("anon_inode")
    }
    assert foreign == set()
