# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import os
import select
import signal
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from libcontainer.bindings.clone import CloneFlag, clone3, new_box, spawn
from libcontainer.bindings.memfd import sealed_memfd
from libcontainer.bindings.waitid import waitid
from tests.bindings.conftest import InChild

CLONE_VM = 0x100
CLONE_THREAD = 0x10000
PRELUDE = """
import os, signal, sys
from libcontainer.bindings.clone import CloneFlag, clone3, new_box, spawn
from libcontainer.bindings.memfd import sealed_memfd
from libcontainer.bindings.waitid import waitid
image = sealed_memfd("p", open(sys.argv[1], "rb").read(), executable=True)
box = new_box()
"""


@pytest.fixture
def image(program: Path) -> Iterator[int]:
    fd = sealed_memfd("program", program.read_bytes(), executable=True)
    yield fd
    os.close(fd)


def report(reader: int) -> list[str]:
    with os.fdopen(reader) as lines:
        return lines.read().splitlines()


def open_fds() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def test_the_exit_status_of_a_spawned_program_comes_by_its_pidfd(image: int) -> None:
    box = new_box()
    spawn(image, 0, [], box)
    try:
        assert box.pid > 0
        assert not os.get_inheritable(box.pidfd)
        assert select.select([box.pidfd], [], [], 10)[0]
        assert waitid(box.pidfd) == (os.CLD_EXITED, 7)
    finally:
        os.close(box.pidfd)


def test_a_box_is_empty_before_and_after_its_use(image: int) -> None:
    box = new_box()
    assert (box.pid, box.pidfd) == (-1, -1)
    spawn(image, 0, [], box)
    pidfd = box.pidfd
    assert waitid(pidfd) == (os.CLD_EXITED, 7)
    box.forget()
    os.close(pidfd)
    assert (box.pid, box.pidfd) == (-1, -1)


def test_a_spawned_program_gets_exactly_the_listed_fds(
    in_child: InChild, program: Path
) -> None:
    script = """
    import fcntl
    reader, writer = os.pipe()
    report = fcntl.fcntl(writer, fcntl.F_DUPFD_CLOEXEC, 100)
    kept = fcntl.fcntl(writer, fcntl.F_DUPFD_CLOEXEC, 200)
    lost = fcntl.fcntl(writer, fcntl.F_DUPFD_CLOEXEC, 300)
    spawn(image, 0, [report, kept], box)
    assert not os.get_inheritable(kept) and not os.get_inheritable(report)
    for fd in (writer, report, kept, lost):
        os.close(fd)
    assert waitid(box.pidfd) == (os.CLD_EXITED, 7)
    print(os.fdopen(reader).read())
    """
    said = in_child(PRELUDE + dedented(script), program).split("\n")
    assert [line for line in said if line.startswith("fd ")] == [
        "fd 0",
        "fd 1",
        "fd 2",
        "fd 100",
        "fd 200",
    ]
    arguments = [line for line in said if line.startswith("arg ")]
    assert arguments == ["arg libcontainer-init", "arg 100"]
    assert not [line for line in said if line.startswith("env ")]


def dedented(script: str) -> str:
    lines = script.strip("\n").splitlines()
    return "\n".join(line[4:] for line in lines)


@pytest.mark.parametrize("listed", [[], [99]], ids=["success", "failure"])
def test_the_callers_signal_mask_is_as_before(
    in_child: InChild, program: Path, listed: list[int]
) -> None:
    script = f"""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        spawn(image, 0, {listed}, box)
    except OSError:
        assert {listed}
    print(*map(int, signal.pthread_sigmask(signal.SIG_BLOCK, [])))
    """
    said = in_child(PRELUDE + dedented(script), program)
    assert said.split() == [str(int(signal.SIGUSR1))]


def test_a_spawned_program_starts_with_every_signal_blocked(
    image: int,
) -> None:
    reader, writer = os.pipe()
    os.dup2(writer, 100, inheritable=False)
    box = new_box()
    spawn(image, 0, [100], box)
    os.close(writer)
    os.close(100)
    said = report(reader)
    waitid(box.pidfd)
    os.close(box.pidfd)
    blocked = {int(line.split()[1]) for line in said if line.startswith("blocked")}
    assert blocked == set(range(1, 32)) - {signal.SIGKILL, signal.SIGSTOP}


def test_a_spawned_program_ignores_no_signal(in_child: InChild, program: Path) -> None:
    script = """
    for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGRTMAX):
        signal.signal(number, signal.SIG_IGN)
    reader, writer = os.pipe()
    os.dup2(writer, 100, inheritable=False)
    spawn(image, 0, [100], box)
    os.close(writer)
    os.close(100)
    waitid(box.pidfd)
    print(os.read(reader, 65536).decode())
    """
    said = in_child(PRELUDE + textwrap.dedent(script), program)
    assert "arg libcontainer-init" in said
    assert "ignored" not in said


def _garbage() -> int:
    return sealed_memfd("x", b"no program", executable=True)


def _not_executable() -> int:
    return sealed_memfd("x", b"no program")


def _script() -> int:
    return sealed_memfd("x", b"#!/nowhere/interpreter\n", executable=True)


def _directory() -> int:
    return os.open("/", os.O_RDONLY | os.O_CLOEXEC)


@pytest.mark.parametrize(
    ("make", "number"),
    [
        (_garbage, errno.ENOEXEC),
        (_not_executable, errno.EACCES),
        (_script, errno.ENOENT),
        (_directory, errno.EACCES),
    ],
)
@pytest.mark.parametrize("how", ["spawn", "clone3"])
def test_a_failed_exec_is_an_error_and_leaves_nothing(
    make: object, number: int, how: str
) -> None:
    assert callable(make)
    fd = make()
    box = new_box()
    before = open_fds()
    start = {
        "spawn": lambda: spawn(fd, 0, [], box),
        "clone3": lambda: clone3(fd, ["x"], 0, box),
    }[how]
    with pytest.raises(OSError, match=f"execveat {fd}") as caught:
        start()
    assert caught.value.errno == number
    assert f"[{errno.errorcode[number]}]" in str(caught.value)
    assert (box.pid, box.pidfd) == (-1, -1)
    assert open_fds() == before
    os.close(fd)
    with pytest.raises(ChildProcessError):
        os.waitid(os.P_PGID, os.getpgid(0), os.WEXITED | os.WNOHANG | os.WNOWAIT)


def test_a_listed_fd_that_is_closed_is_an_error(image: int) -> None:
    box = new_box()
    with pytest.raises(OSError, match=r"\[987\]") as caught:
        spawn(image, 0, [987], box)
    assert caught.value.errno == errno.EBADF
    assert box.pidfd == -1


@pytest.mark.parametrize("flags", [CloneFlag.NEWTIME, CLONE_VM, CLONE_THREAD])
def test_spawn_refuses_flags_that_it_cannot_carry_safely(
    image: int, flags: int
) -> None:
    with pytest.raises(OSError, match="clone") as caught:
        spawn(image, flags, [], new_box())
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("flags", [CLONE_VM, CLONE_THREAD, CloneFlag.FILES])
def test_clone3_refuses_flags_that_share_with_the_caller(
    image: int, flags: int
) -> None:
    with pytest.raises(OSError, match="clone3") as caught:
        clone3(image, ["p"], flags, new_box())
    assert caught.value.errno == errno.EINVAL


def test_a_range_error_asks_the_kernel_nothing(image: int) -> None:
    box = new_box()
    with pytest.raises(OverflowError):
        spawn(1 << 40, 0, [], box)
    with pytest.raises(OverflowError):
        spawn(image, -1, [], box)
    with pytest.raises(OverflowError):
        spawn(image, 0, [1 << 40], box)
    assert box.pidfd == -1


def test_spawn_works_from_a_thread(in_child: InChild, program: Path) -> None:
    script = """
    import threading
    seen = []
    def launch():
        spawn(image, 0, [], box)
        seen.append(waitid(box.pidfd))
    thread = threading.Thread(target=launch)
    thread.start()
    thread.join()
    assert seen == [(os.CLD_EXITED, 7)], seen
    """
    in_child(PRELUDE + dedented(script), program)


def test_spawn_works_with_the_standard_fds_closed(
    in_child: InChild, program: Path
) -> None:
    script = """
    out = os.dup(1)
    for fd in (0, 1, 2):
        os.close(fd)
    spawn(image, 0, [], box)
    os.write(out, repr((box.pidfd, waitid(box.pidfd))).encode())
    """
    assert in_child(PRELUDE + dedented(script), program) == "(0, (1, 7))"


def test_spawn_works_while_sigchld_is_ignored(in_child: InChild, program: Path) -> None:
    script = """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    before = set(os.listdir("/proc/self/fd"))
    try:
        spawn(image, 0, [99], box)
    except OSError as error:
        print(error.errno, box)
    assert set(os.listdir("/proc/self/fd")) == before
    spawn(image, 0, [], box)
    try:
        waitid(box.pidfd)
    except ChildProcessError:
        print("gone")
    """
    said = in_child(PRELUDE + dedented(script), program)
    assert said == f"{errno.EBADF} SpawnBox(pid=-1, pidfd=-1)\ngone\n"


def test_many_threads_spawn_without_leaving_fds_or_zombies(
    in_child: InChild, program: Path
) -> None:
    script = """
    import threading
    before = len(os.listdir("/proc/self/fd"))
    wrong = []
    def launch():
        box = new_box()
        for turn in range(50):
            spawn(image, 0, [], box)
            if waitid(box.pidfd) != (os.CLD_EXITED, 7):
                wrong.append(turn)
            os.close(box.pidfd)
            box.forget()
    threads = [threading.Thread(target=launch) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(len(wrong), len(os.listdir("/proc/self/fd")) - before)
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        print("no child")
    """
    assert in_child(PRELUDE + dedented(script), program) == "0 0\nno child\n"


@pytest.mark.needs("root")
def test_a_program_is_spawned_into_new_namespaces(
    in_child: InChild, program: Path
) -> None:
    script = """
    image = sealed_memfd("s", open("/bin/sleep", "rb").read(), executable=True)
    flags = CloneFlag.NEWUTS | CloneFlag.NEWIPC | CloneFlag.NEWPID
    clone3(image, ["sleep", "100"], flags, box)
    for kind in ("uts", "ipc", "pid", "net"):
        same = os.readlink(f"/proc/self/ns/{kind}") == os.readlink(
            f"/proc/{box.pid}/ns/{kind}")
        print(kind, same)
    os.kill(box.pid, signal.SIGKILL)
    assert waitid(box.pidfd) == (os.CLD_KILLED, signal.SIGKILL)
    """
    said = in_child(PRELUDE + dedented(script), program)
    assert said.split() == [
        "uts",
        "False",
        "ipc",
        "False",
        "pid",
        "False",
        "net",
        "True",
    ]


@pytest.mark.needs("root")
def test_spawn_enters_a_new_pid_namespace(in_child: InChild, program: Path) -> None:
    # The zombie keeps its namespaces' names out of sight, so the program is stopped
    # from ending by a pipe that it cannot write to.
    script = """
    reader, writer = os.pipe()
    os.dup2(writer, 100, inheritable=False)
    os.set_blocking(writer, False)
    try:
        while os.write(writer, bytes(4096)):
            pass
    except BlockingIOError:
        os.set_blocking(writer, True)
    spawn(image, CloneFlag.NEWPID, [100], box)
    here = os.readlink("/proc/self/ns/pid")
    print(os.readlink(f"/proc/{box.pid}/ns/pid") == here)
    os.close(reader)
    print(waitid(box.pidfd))
    """
    assert in_child(PRELUDE + dedented(script), program) == "False\n(1, 7)\n"


def test_clone3_passes_arguments_and_environment(image: int) -> None:
    reader, writer = os.pipe()
    os.dup2(writer, 100, inheritable=False)
    box = new_box()
    clone3(image, ["p", b"a b"], 0, box, env=["A=1", "B="], fds=[100])
    os.close(writer)
    os.close(100)
    said = report(reader)
    assert waitid(box.pidfd) == (os.CLD_EXITED, 7)
    os.close(box.pidfd)
    assert said[:4] == ["arg p", "arg a b", "env A=1", "env B="]


@pytest.mark.needs("root")
def test_clone3_enters_a_time_namespace_and_takes_a_pid(
    in_child: InChild, program: Path
) -> None:
    script = """
    sleep = sealed_memfd("s", open("/bin/sleep", "rb").read(), executable=True)
    flags = CloneFlag.NEWTIME | CloneFlag.NEWPID
    clone3(sleep, ["sleep", "100"], flags, box, set_tid=[1, 31999])
    same = os.readlink("/proc/self/ns/time") == os.readlink(f"/proc/{box.pid}/ns/time")
    print(box.pid, same)
    os.kill(box.pid, signal.SIGKILL)
    waitid(box.pidfd)
    """
    assert in_child(PRELUDE + dedented(script), program) == "31999 False\n"


def test_clone3_wants_a_cgroup_as_its_cgroup(image: int) -> None:
    directory = os.open("/", os.O_RDONLY | os.O_CLOEXEC)
    with pytest.raises(OSError, match=f"cgroup_fd={directory}") as caught:
        clone3(image, ["p"], 0, new_box(), cgroup_fd=directory)
    os.close(directory)
    assert caught.value.errno == errno.EBADF


def test_clone3_can_start_without_an_exit_signal(image: int) -> None:
    box = new_box()
    clone3(image, ["p"], 0, box, exit_signal=0)
    assert waitid(box.pidfd) == (os.CLD_EXITED, 7)
    os.close(box.pidfd)
