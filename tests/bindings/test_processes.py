# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from libcontainer.bindings.clone import CloneFlag
from libcontainer.bindings.close_range import CloseRangeFlag, close_range
from libcontainer.bindings.memfd import (
    FIXED,
    MemfdFlag,
    Seal,
    add_seals,
    get_seals,
    memfd_create,
    sealed_memfd,
)
from libcontainer.bindings.pidfd import (
    PidfdInfoMask,
    pidfd_get_info,
    pidfd_get_namespace,
    pidfd_getfd,
    pidfd_open,
    pidfd_pid,
    pidfd_send_signal,
)
from libcontainer.bindings.renameat2 import (
    RENAME_EXCHANGE,
    RENAME_NOREPLACE,
    renameat2,
)
from libcontainer.bindings.setns import setns
from libcontainer.bindings.unshare import unshare
from libcontainer.bindings.waitid import WaitFlag, waitid
from tests.bindings.conftest import InChild

KERNEL = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
since_6_15 = pytest.mark.skipif(KERNEL < (6, 15), reason="needs Linux 6.15")
since_6_11 = pytest.mark.skipif(KERNEL < (6, 11), reason="needs Linux 6.11")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "100"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def pidfd(sleeper: subprocess.Popen[bytes]) -> Iterator[int]:
    fd = pidfd_open(sleeper.pid)
    yield fd
    os.close(fd)


def test_a_process_is_signalled_and_waited_for_by_its_pidfd(pidfd: int) -> None:
    assert not os.get_inheritable(pidfd)
    assert waitid(pidfd, WaitFlag.WEXITED | WaitFlag.WNOHANG) is None
    pidfd_send_signal(pidfd, 0)
    pidfd_send_signal(pidfd, signal.SIGTERM)
    kept = WaitFlag.WEXITED | WaitFlag.WNOWAIT
    assert waitid(pidfd, kept) == (os.CLD_KILLED, signal.SIGTERM)
    assert waitid(pidfd) == (os.CLD_KILLED, signal.SIGTERM)
    with pytest.raises(ChildProcessError, match=rf"P_PIDFD {pidfd}.*\[ECHILD\]"):
        waitid(pidfd)
    with pytest.raises(ProcessLookupError, match=rf"pidfd_send_signal\({pidfd}, 9, 0"):
        pidfd_send_signal(pidfd, signal.SIGKILL)


def test_waiting_goes_on_after_a_signal_handler(in_child: InChild) -> None:
    script = """
    import os, signal, subprocess
    from libcontainer.bindings.pidfd import pidfd_open
    from libcontainer.bindings.waitid import waitid
    calls = []
    def handler(*_):
        calls.append(1)
        if len(calls) == 3:
            process.kill()
    process = subprocess.Popen(["sleep", "100"])
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    print(waitid(pidfd_open(process.pid)), len(calls) >= 3)
    process.returncode = 0
    """
    assert in_child(script) == "(2, 9) True\n"


def test_other_threads_run_while_one_waits(
    sleeper: subprocess.Popen[bytes], pidfd: int
) -> None:
    seen: list[object] = []
    thread = threading.Thread(target=lambda: seen.append(waitid(pidfd)))
    thread.start()
    pidfd_send_signal(pidfd, signal.SIGKILL)
    thread.join(30)
    assert seen == [(os.CLD_KILLED, signal.SIGKILL)]


def test_a_pidfd_of_nobody_is_an_error() -> None:
    with pytest.raises(ProcessLookupError, match=r"pidfd_open\(4194305, 0\): no such"):
        pidfd_open(4194305)
    with pytest.raises(OSError, match="pidfd_open") as caught:
        pidfd_open(-1)
    assert caught.value.errno == errno.EINVAL


@pytest.mark.needs("root")
def test_a_duplicate_of_another_processs_fd_is_the_same_file(
    tmp_path: Path,
) -> None:
    with (tmp_path / "file").open("w") as file:
        process = subprocess.Popen(["sleep", "100"], stdout=file)
    pidfd = pidfd_open(process.pid)
    fd = pidfd_getfd(pidfd, 1)
    try:
        assert not os.get_inheritable(fd)
        assert os.fstat(fd).st_ino == (tmp_path / "file").stat().st_ino
        with pytest.raises(OSError, match=rf"pidfd_getfd\({pidfd}, 999\)") as caught:
            pidfd_getfd(pidfd, 999)
        assert caught.value.errno == errno.EBADF
    finally:
        process.kill()
        process.wait()
        os.close(fd)
        os.close(pidfd)


@since_6_15
def test_the_kernel_tells_of_a_process_by_its_pidfd(
    sleeper: subprocess.Popen[bytes], pidfd: int
) -> None:
    info = pidfd_get_info(pidfd)
    assert (info.pid, info.tgid, info.ppid) == (sleeper.pid, sleeper.pid, os.getpid())
    assert info.uids == (os.getuid(), os.geteuid(), os.getuid(), os.geteuid())
    assert info.exit_code is None
    with pytest.raises(AttributeError):
        info.pid = 1  # type: ignore[misc]


@since_6_15
@pytest.mark.parametrize(
    ("script", "status"), [("exit 7", 7 << 8), ("kill -TERM $$", 15)]
)
def test_the_exit_status_outlives_the_reaping(script: str, status: int) -> None:
    process = subprocess.Popen(["sh", "-c", f"read x; {script}"], stdin=subprocess.PIPE)
    pidfd = pidfd_open(process.pid)
    process.communicate()
    assert pidfd_get_info(pidfd).exit_code == status
    with pytest.raises(ProcessLookupError, match="PIDFD_GET_INFO"):
        pidfd_get_info(pidfd, PidfdInfoMask.PID)
    with pytest.raises(ProcessLookupError):
        pidfd_pid(pidfd)
    os.close(pidfd)


def test_the_pid_of_a_pidfd_is_found(
    sleeper: subprocess.Popen[bytes], pidfd: int
) -> None:
    assert pidfd_pid(pidfd) == sleeper.pid


def test_a_plain_file_has_no_pid() -> None:
    fd = os.open("/", os.O_RDONLY | os.O_CLOEXEC)
    with pytest.raises(OSError, match="PIDFD_GET_INFO") as caught:
        pidfd_pid(fd)
    assert caught.value.errno == errno.EINVAL
    os.close(fd)


@since_6_11
@pytest.mark.parametrize(
    "name", ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"]
)
def test_a_namespace_is_opened_by_pidfd(pidfd: int, name: str) -> None:
    fd = pidfd_get_namespace(pidfd, name)
    try:
        assert not os.get_inheritable(fd)
        assert os.fstat(fd).st_ino == Path(f"/proc/self/ns/{name}").stat().st_ino
    finally:
        os.close(fd)


def test_an_unknown_namespace_is_refused() -> None:
    with pytest.raises(ValueError, match="'mount'; there are cgroup, ipc, mnt"):
        pidfd_get_namespace(0, "mount")


@pytest.mark.needs("root")
def test_namespaces_are_left_entered_and_named(in_child: InChild) -> None:
    script = """
    import os
    from libcontainer.bindings.clone import CloneFlag
    from libcontainer.bindings.setns import setns
    from libcontainer.bindings.sethostname import setdomainname, sethostname
    from libcontainer.bindings.unshare import unshare
    old = os.open("/proc/self/ns/uts", os.O_RDONLY)
    before = os.uname().nodename
    unshare(CloneFlag.NEWUTS | CloneFlag.NEWIPC)
    sethostname("box")
    setdomainname(b"example.org")
    print(os.uname().nodename, open("/proc/sys/kernel/domainname").read().strip())
    try:
        sethostname("x" * 65)
    except OSError as error:
        print(error.errno, "sethostname('xxx" in str(error))
    setns(old, CloneFlag.NEWUTS)
    assert os.uname().nodename == before
    """
    assert in_child(script) == f"box example.org\n{errno.EINVAL} True\n"


def test_namespace_errors_name_the_flags() -> None:
    with pytest.raises(OSError, match=r"setns\(0, NEWNS\|NEWUTS\): ") as caught:
        setns(0, CloneFlag.NEWNS | CloneFlag.NEWUTS)
    assert caught.value.errno == errno.EINVAL
    with pytest.raises(OSError, match=r"unshare\(0x2\): ") as caught:
        unshare(0x2)
    assert caught.value.errno == errno.EINVAL


def test_a_sealed_file_cannot_be_changed() -> None:
    fd = sealed_memfd("data", b"content")
    try:
        assert not os.get_inheritable(fd)
        assert os.read(fd, 100) == b"content"
        assert get_seals(fd) & FIXED == FIXED
        for change in (
            lambda: os.pwrite(fd, b"x", 0),
            lambda: os.ftruncate(fd, 0),
            lambda: os.ftruncate(fd, 100),
            lambda: add_seals(fd, Seal.FUTURE_WRITE),
        ):
            with pytest.raises(PermissionError):
                change()
    finally:
        os.close(fd)


def test_only_an_executable_memfd_can_be_executed() -> None:
    for executable, expected in ((True, 0), (False, None)):
        fd = sealed_memfd("p", Path("/bin/true").read_bytes(), executable=executable)
        command = f"/proc/self/fd/{fd}"
        try:
            if expected is None and KERNEL >= (6, 3):
                with pytest.raises(PermissionError):
                    subprocess.run([command], pass_fds=[fd], check=True)
            elif expected == 0:
                subprocess.run([command], pass_fds=[fd], check=True)
        finally:
            os.close(fd)


def test_a_memfd_name_that_is_too_long_is_refused() -> None:
    with pytest.raises(OSError, match=r"memfd_create\('x+', EXEC\)") as caught:
        memfd_create("x" * 250, MemfdFlag.EXEC)
    assert caught.value.errno == errno.EINVAL


def test_fds_are_closed_and_marked(in_child: InChild) -> None:
    script = """
    import os
    from libcontainer.bindings.close_range import CloseRangeFlag, close_range
    fd = os.open("/", os.O_RDONLY)
    high = [os.dup2(fd, 50 + n, inheritable=True) for n in range(3)]
    close_range(51, flags=CloseRangeFlag.CLOEXEC)
    print([os.get_inheritable(fd) for fd in high])
    close_range(50, 51)
    print(sorted(int(fd) for fd in os.listdir("/proc/self/fd") if int(fd) >= 50))
    """
    assert in_child(script) == "[True, False, False]\n[52]\n"


def test_a_range_the_wrong_way_round_is_refused() -> None:
    with pytest.raises(OSError, match=r"close_range\(9000, 8999, CLOEXEC\)") as caught:
        close_range(9000, 8999, CloseRangeFlag.CLOEXEC)
    assert caught.value.errno == errno.EINVAL


def test_a_rename_replaces_nothing_or_exchanges(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("A")
    (tmp_path / "b").write_text("B")
    directory = os.open(tmp_path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with pytest.raises(FileExistsError, match=r"'a', \d+, 'b', NOREPLACE"):
            renameat2(directory, "a", directory, "b", RENAME_NOREPLACE)
        renameat2(directory, "a", directory, "b", RENAME_EXCHANGE)
        assert (tmp_path / "a").read_text() == "B"
        renameat2(directory, "a", directory, "c", RENAME_NOREPLACE)
        assert sorted(os.listdir(directory)) == ["b", "c"]
    finally:
        os.close(directory)
