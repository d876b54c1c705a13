# SPDX-License-Identifier: Apache-2.0
"""A detached container: its monitor, its log, its status, and who attaches."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import libcontainer as lc
from libcontainer.cgroups.strategy import Placement
from libcontainer.host import children, exitrecord
from tests.fewfiles import few_files
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

SLEEPER = lc.Process(["sleep", "1000"])
_JOINED = {"pid": "pid", "network": "net", "ipc": "ipc"}


@pytest.fixture
def config(busybox_rootfs: Path) -> lc.Config:
    """The configuration of a default container."""
    return lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))


@pytest.fixture
def box(factory: lc.Factory, config: lc.Config) -> Iterator[lc.Container]:
    """A container in which nothing runs yet; it is deleted at the end."""
    with factory.create(new_id(), config) as container:
        yield container


def shell(script: str, **wishes: object) -> lc.Process:
    return lc.Process(["sh", "-c", script], **wishes)  # type: ignore[arg-type]


def monitor_pid(container: lc.Container) -> int:
    record = container.state().monitor
    assert record is not None
    return record.host_pid


def is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def wait_until(fact: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def read_until(attachment: lc.Attachment, wanted: bytes) -> bytes:
    seen = b""
    while wanted not in seen:
        assert select.select([attachment], [], [], 20)[0], seen
        data = attachment.read()
        assert data, seen
        seen += data
    return seen


def other(script: str, container: lc.Container) -> subprocess.CompletedProcess[str]:
    """Run a script in another process; ``box`` is the container there."""
    start = (
        "import sys; import libcontainer as lc;"
        " box = lc.Factory(sys.argv[1]).load(sys.argv[2])\n"
    )
    root = os.path.dirname(container.path)
    command = [sys.executable, "-W", "error", "-c", start + script, root, container.id]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False
    )


# -- the status


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("exit 0", lc.ExitStatus(code=0)),
        ("exit 42", lc.ExitStatus(code=42)),
        ("sleep 1000", lc.ExitStatus(signal=9)),
    ],
)
@pytest.mark.parametrize("verb", ["run", "prepare"])
def test_the_status_is_known_after_the_creator_has_ended(
    box: lc.Container,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    status: lc.ExitStatus,
    verb: str,
) -> None:
    words = f"lc.Process(['sh', '-c', {script!r}]), detach=True"
    done = other(f"box.{verb}({words})", box)
    assert (done.returncode, done.stderr) == (0, "")
    if verb == "prepare":
        assert box.status() is lc.Status.CREATED
        box.start()
    if status.signal is not None:
        box.signal("KILL")
    # As on a kernel before 6.15, which tells nobody but the parent.
    for module in (children, exitrecord):
        monkeypatch.setattr(module, "lost_status", lambda _: lc.ExitStatus())
    assert box.wait(20) == status
    assert box.wait(20) == status
    said = other("print(box.wait(20).returncode, box.status())", box)
    assert said.stdout == f"{status.returncode} stopped\n", said.stderr


def test_the_creator_learns_the_status_from_its_handle(box: lc.Container) -> None:
    handle = box.run(shell("sleep 0.1; exit 5"), detach=True)
    assert handle.poll() is None
    with pytest.raises(lc.TimeoutExpired):
        handle.wait(0.001)
    assert handle.wait(20) == lc.ExitStatus(code=5)
    assert (handle.returncode, handle.pidfd) == (5, -1)


def test_a_detached_process_is_no_child_of_the_caller(box: lc.Container) -> None:
    box.run(SLEEPER, detach=True)
    own = Path("/proc/thread-self/children").read_text().split()
    init = box.state().init
    assert init is not None
    for pid in (init.host_pid, monitor_pid(box)):
        assert str(pid) not in own
    stat = Path(f"/proc/{init.host_pid}/stat").read_text()
    assert int(stat.rpartition(")")[2].split()[1]) == monitor_pid(box)


def test_a_handle_that_is_dropped_does_not_warn(box: lc.Container) -> None:
    box.run(SLEEPER, detach=True)
    box._init = None
    gc.collect()
    assert box.status() is lc.Status.RUNNING


def test_a_waited_for_prepared_container_tells_others_how_it_ended(
    factory: lc.Factory, config: lc.Config
) -> None:
    with factory.create(new_id(), config) as container:
        container.prepare(shell("exit 9")).close()
        container.start()
        assert container.wait(20) == lc.ExitStatus(code=9)
        said = other("print(box.wait().code)", container)
        assert said.stdout == "9\n", said.stderr


def test_the_record_of_a_container_run_in_process_is_not_written(
    box: lc.Container,
) -> None:
    box.run(shell("exit 9")).wait()
    assert not Path(box.path, "exit").exists()


# -- the monitor


def test_the_monitor_is_small_and_holds_nothing_of_the_caller(
    box: lc.Container, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    box.run(shell("echo x; sleep 1000"), detach=True, log=lc.Log(log))
    wait_until(lambda: log.read_text() == "x\n")
    pid = monitor_pid(box)
    status = Path(f"/proc/{pid}/status").read_text()
    resident = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert resident is not None
    assert int(resident[1]) <= 64
    held = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    kinds = sorted(name.partition(":")[0].split("/")[0] or name for name in held)
    # The caller's socket, the one to attach to, the pipe, its signals; and the
    # folder of the record, that of the log, the log.
    assert kinds.count("socket") == 2
    assert kinds.count("pipe") == 1
    assert {box.path, str(tmp_path), str(log)} < set(held)
    assert len(held) == 7
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    session = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[3]
    assert int(session) == pid


def test_the_monitor_is_outside_of_the_container(box: lc.Container) -> None:
    box.run(shell("sleep 1000"), detach=True)
    pid = monitor_pid(box)
    for kind in ("pid", "net", "uts", "ipc", "user"):
        outside = os.readlink(f"/proc/self/ns/{kind}")
        assert os.readlink(f"/proc/{pid}/ns/{kind}") == outside
    seen = box.exec(lc.Process(["ps", "-o", "pid,comm"], stdout=lc.PIPE))
    out, _ = seen.communicate()
    assert b"libcontainer" not in (out or b"")


def test_the_limits_are_for_the_container_and_not_for_its_monitor(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    config = lc.Config(
        rootfs=lc.Overlay(str(busybox_rootfs)), resources=lc.Resources(pids=7)
    )
    with factory.create(new_id(), config) as container:
        handle = container.run(shell("sleep 1000"), detach=True)
        paths = container.state().cgroup.values()
        assert paths
        for path in paths:
            members = Path(path, "cgroup.procs").read_text().split()
            assert members == [str(handle.host_pid)]
        own = Path("/proc/self/cgroup").read_text()
        assert Path(f"/proc/{monitor_pid(container)}/cgroup").read_text() == own


def test_a_monitor_joins_nothing_that_the_container_joins(
    factory: lc.Factory, config: lc.Config, busybox_rootfs: Path
) -> None:
    with factory.create(new_id(), config) as first:
        host = first.run(SLEEPER).host_pid
        paths = {kind: f"/proc/{host}/ns/{name}" for kind, name in _JOINED.items()}
        joining = lc.Config(
            rootfs=lc.Overlay(str(busybox_rootfs)), namespace_paths=paths
        )
        with factory.create(new_id(), joining) as container:
            handle = container.run(shell("sleep 0.3; exit 11"), detach=True)
            monitor = monitor_pid(container)
            for name in _JOINED.values():
                theirs = os.readlink(f"/proc/{host}/ns/{name}")
                assert os.readlink(f"/proc/{handle.host_pid}/ns/{name}") == theirs
                own = os.readlink(f"/proc/self/ns/{name}")
                assert os.readlink(f"/proc/{monitor}/ns/{name}") == own
            assert handle.wait(20) == lc.ExitStatus(code=11)
            said = other_status(container)
            assert said == "11\n"


def other_status(container: lc.Container) -> str:
    done = other("print(box.wait(20).returncode)", container)
    return done.stdout or done.stderr


def test_on_v2_init_begins_in_its_cgroup_and_the_monitor_does_not(
    state_root: Path, config: lc.Config
) -> None:
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    unified = [line.split()[4] for line in mounts if " - cgroup2 " in line]
    if not unified:
        pytest.skip("no cgroup v2 is mounted")

    class Unified:
        name = "unified"

        def place(self, container_id: str, config: lc.Config) -> Placement:
            return Placement({"": f"{unified[0]}/libcontainer-{container_id}"})

    state_root.chmod(0o700)
    with (
        lc.Factory(state_root, cgroups=Unified()) as factory,
        factory.create(new_id(), config) as container,
    ):
        handle = container.run(shell("sleep 1000"), detach=True)
        own = Path("/proc/self/cgroup").read_text()
        seen = Path(f"/proc/{handle.host_pid}/cgroup").read_text()
        assert f"/libcontainer-{container.id}\n" in seen
        assert Path(f"/proc/{monitor_pid(container)}/cgroup").read_text() == own


def test_a_signal_to_the_monitor_does_not_end_it(box: lc.Container) -> None:
    handle = box.run(SLEEPER, detach=True)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGALRM):
        os.kill(monitor_pid(box), number)
    time.sleep(0.05)
    assert is_running(monitor_pid(box))
    box.signal("KILL")
    assert handle.wait(20) == lc.ExitStatus(signal=9)


def test_a_killed_monitor_leaves_a_container_that_can_be_used_and_deleted(
    factory: lc.Factory, config: lc.Config
) -> None:
    container = factory.create(new_id(), config)
    handle = container.run(SLEEPER, detach=True)
    monitor = monitor_pid(container)
    os.kill(monitor, signal.SIGKILL)
    wait_until(lambda: not is_running(monitor))
    assert container.status() is lc.Status.RUNNING
    assert container.exec(shell("exit 3")).wait() == lc.ExitStatus(code=3)
    with pytest.raises(lc.HelperError, match="does not let us attach"):
        container.attach()
    container.delete(force=True)
    assert handle.wait(10) in (lc.ExitStatus(), lc.ExitStatus(signal=9))
    assert not is_running(handle.host_pid)


def test_a_loop_goes_on_while_a_stopped_monitor_says_nothing(
    box: lc.Container,
) -> None:
    handle = box.run(SLEEPER, detach=True)
    monitor = monitor_pid(box)
    os.kill(monitor, signal.SIGSTOP)

    async def main() -> None:
        waiting = asyncio.ensure_future(_status(handle))
        await asyncio.sleep(0.2)
        # Seen to have ended, and nobody has said how.
        assert not waiting.done()
        os.kill(monitor, signal.SIGCONT)
        assert await waiting == lc.ExitStatus(signal=9)

    async def _status(handle: lc.ProcessHandle) -> lc.ExitStatus:
        return await handle

    handle.kill()
    # Were it the loop's thread that waits, nobody would let the monitor go on.
    asyncio.run(asyncio.wait_for(main(), 5))


def test_delete_ends_init_and_monitor(factory: lc.Factory, config: lc.Config) -> None:
    container = factory.create(new_id(), config)
    handle = container.run(SLEEPER, detach=True)
    pids = (handle.host_pid, monitor_pid(container))
    assert all(is_running(pid) for pid in pids)
    container.delete(force=True)
    assert not any(is_running(pid) for pid in pids)
    assert not Path(container.path).exists()


def test_delete_by_another_process_ends_init_and_monitor(
    factory: lc.Factory, config: lc.Config
) -> None:
    container = factory.create(new_id(), config)
    container.run(SLEEPER, detach=True)
    monitor = monitor_pid(container)
    assert other("box.delete(force=True)", container).stderr == ""
    assert not is_running(monitor)


def test_delete_ends_a_stopped_monitor_as_well(
    factory: lc.Factory, config: lc.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libcontainer.host.monitor._SECONDS", 0.2)
    monkeypatch.setattr("libcontainer.host.exitrecord._SECONDS", 0.2)
    container = factory.create(new_id(), config)
    container.run(SLEEPER, detach=True)
    monitor = monitor_pid(container)
    os.kill(monitor, signal.SIGSTOP)
    container.delete(force=True)
    assert not is_running(monitor)


def test_a_monitor_in_a_user_namespace_is_still_outside(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    mapping = [lc.IdMapping(0, 100000, 65536)]
    config = lc.Config(
        rootfs=lc.Overlay(str(busybox_rootfs)),
        namespaces=[*lc.Config().namespaces, "user"],
        uid_mappings=mapping,
        gid_mappings=mapping,
    )
    with factory.create(new_id(), config) as container:
        handle = container.run(shell("sleep 0.2; exit 6"), detach=True)
        monitor = Path(f"/proc/{monitor_pid(container)}")
        assert "Uid:\t0\t" in (monitor / "status").read_text()
        assert handle.wait(20) == lc.ExitStatus(code=6)


def test_orphans_of_a_shared_pid_namespace_are_reaped_by_the_monitor(
    factory: lc.Factory, busybox_rootfs: Path, tmp_path: Path
) -> None:
    kinds = [kind for kind in lc.Config().namespaces if kind != "pid"]
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), namespaces=kinds)
    log = tmp_path / "log"
    script = "(sleep 0.2 & echo $!); sleep 1; exit 8"
    with factory.create(new_id(), config) as container:
        handle = container.run(shell(script), detach=True, log=lc.Log(log))
        wait_until(lambda: log.exists() and log.read_text() != "")
        orphan = int(log.read_text())
        stat = Path(f"/proc/{orphan}/stat").read_text().rpartition(")")[2].split()
        assert int(stat[1]) == monitor_pid(container)
        wait_until(lambda: not Path(f"/proc/{orphan}").exists())
        assert handle.wait(20) == lc.ExitStatus(code=8)


def test_only_init_can_be_detached(box: lc.Container) -> None:
    box.run(SLEEPER)
    with pytest.raises(lc.StateError, match="cannot leave a further process"):
        box.run(shell("exit 0"), detach=True)


# -- output and log


def test_both_outputs_are_in_the_log_in_their_order(
    box: lc.Container, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    script = "echo one; echo two >&2; echo three; cat; echo end of input"
    box.run(shell(script), detach=True, log=lc.Log(log)).wait(20)
    assert log.read_text() == "before\none\ntwo\nthree\nend of input\n"


def test_a_new_log_is_for_its_owner_alone(box: lc.Container, tmp_path: Path) -> None:
    log = tmp_path / "log"
    box.run(shell("echo x"), detach=True, log=lc.Log(log)).wait(20)
    assert log.stat().st_mode & 0o7777 == 0o600


def test_output_beyond_the_limit_rotates_the_log(
    box: lc.Container, tmp_path: Path
) -> None:
    log = lc.Log(tmp_path / "log", max_size=8192, max_files=3)
    script = "i=0; while [ $i -lt 5000 ]; do i=$((i+1)); echo line $i; done"
    box.run(shell(script), detach=True, log=log).wait(20)
    names = ["log", "log.1", "log.2"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert all((tmp_path / name).stat().st_size <= 8192 for name in names)
    kept = "".join((tmp_path / name).read_text() for name in reversed(names))
    lines = kept.splitlines()[1:]
    assert lines[-1] == "line 5000"
    first = int(lines[0].split()[1])
    assert lines == [f"line {number}" for number in range(first, 5001)]
    assert (tmp_path / "log.1").stat().st_size > 4096


def test_a_single_full_file_is_emptied(box: lc.Container, tmp_path: Path) -> None:
    log = lc.Log(tmp_path / "log", max_size=4096)
    script = "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i; done"
    box.run(shell(script), detach=True, log=log).wait(20)
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    assert (tmp_path / "log").stat().st_size <= 4096
    assert (tmp_path / "log").read_text().endswith("line 3000\n")


@pytest.mark.parametrize("kind", ["symlink", "fifo", "directory"])
def test_what_is_no_plain_file_is_not_logged_to(
    box: lc.Container, tmp_path: Path, kind: str
) -> None:
    log, canary = tmp_path / "log", tmp_path / "canary"
    canary.write_text("untouched")
    if kind == "symlink":
        log.symlink_to(canary)
    elif kind == "fifo":
        os.mkfifo(log)
    else:
        log.mkdir()
    with pytest.raises(lc.StepError, match=f"log '{log}'"):
        box.run(shell("echo x"), detach=True, log=lc.Log(log))
    assert canary.read_text() == "untouched"
    assert box.status() is lc.Status.CREATING
    assert box.run(shell("exit 3")).wait() == lc.ExitStatus(code=3)


def test_a_log_in_a_folder_that_is_not_there_is_refused(box: lc.Container) -> None:
    log = lc.Log("/nowhere/log")
    with pytest.raises(lc.StepError, match="no such file"):
        box.run(SLEEPER, detach=True, log=log)
    assert box.status() is lc.Status.CREATING


def test_a_full_disk_does_not_stop_the_container(
    box: lc.Container, tmp_path: Path
) -> None:
    # Its folder goes away: no new file can be made when the old one is full.
    folder = tmp_path / "folder"
    folder.mkdir()
    log = lc.Log(folder / "log", max_size=4096, max_files=2)
    script = (
        "read x < /proc/1/comm; sleep 0.3;"
        " i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i; done; exit 4"
    )
    handle = box.run(shell(script), detach=True, log=log)
    (folder / "log").unlink()
    folder.rmdir()
    assert handle.wait(20) == lc.ExitStatus(code=4)


def test_outputs_that_are_given_do_not_go_to_the_monitor(box: lc.Container) -> None:
    read, write = os.pipe()
    script = "echo said; echo err >&2"
    process = shell(script, stdout=write, stderr=lc.DEVNULL)
    box.run(process, detach=True).wait(20)
    os.close(write)
    assert os.read(read, 100) == b"said\n"
    assert os.read(read, 100) == b""
    os.close(read)


def test_a_log_needs_detach_and_outputs_of_its_own(box: lc.Container) -> None:
    log = lc.Log("/var/log/x")
    with pytest.raises(lc.ConfigError, match="log: is kept by a monitor"):
        box.run(SLEEPER, log=log)
    with pytest.raises(lc.ConfigError, match=r"process\.stdout: goes to the log"):
        box.run(shell("true", stdout=lc.DEVNULL), detach=True, log=log)
    assert box.status() is lc.Status.CREATING


# -- attach


def test_attach_types_resizes_and_leaves(box: lc.Container, tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = "read a; stty size; read b; echo got $a $b; exit 3"
    process = shell(script, terminal=True, console_size=(20, 50))
    handle = box.run(process, detach=True, log=lc.Log(log))
    assert handle.terminal is None
    with box.attach() as first:
        first.resize(44, 99)
        first.write(b"one\n")
        assert b"44 99" in read_until(first, b"44 99")
    assert box.status() is lc.Status.RUNNING
    with box.attach() as again:
        again.write(b"two\n")
        assert b"got one two" in read_until(again, b"got one two")
        while again.read():
            pass
    assert handle.wait(20) == lc.ExitStatus(code=3)
    assert "got one two" in log.read_text()


@pytest.mark.parametrize("files", range(4))
def test_a_terminal_that_there_is_no_file_for_is_an_error(
    box: lc.Container, files: int
) -> None:
    box.run(shell("sleep 1000", terminal=True), detach=True)
    try:
        with few_files(files):
            attachment = box.attach()
    except OSError:
        assert files < 3
    else:
        assert attachment.terminal is not None
        attachment.close()


def test_everybody_who_is_attached_sees_the_output(box: lc.Container) -> None:
    box.run(shell("read a; echo got $a; sleep 1000", terminal=True), detach=True)
    with box.attach() as one, box.attach() as two:
        one.write(b"x\n")
        assert b"got x" in read_until(one, b"got x")
        assert b"got x" in read_until(two, b"got x")


def test_another_process_detaches_with_its_keys_and_attaches_again(
    box: lc.Container,
) -> None:
    script = "while read a; do echo got $a; [ $a = end ] && exit 7; done"
    box.run(shell(script, terminal=True), detach=True)
    relay = """
import os, pty, sys, threading
master, slave = pty.openpty()
def type():
    os.write(master, sys.argv[3].encode().decode("unicode_escape").encode("latin1"))
with box.attach() as attachment:
    read, write = os.pipe()
    threading.Timer(0.2, type).start()
    print(attachment.relay(stdin=slave, stdout=write))
    os.close(write)
    print(os.read(read, 1000))
"""

    def attached(keys: str) -> str:
        root = os.path.dirname(box.path)
        start = "import libcontainer as lc\n"
        start += "import sys; box = lc.Factory(sys.argv[1]).load(sys.argv[2])\n"
        words = [sys.executable, "-c", start + relay, root, box.id, keys]
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert attached(r"\x10\x11").startswith("False\n")
    assert box.status() is lc.Status.RUNNING
    said = attached(r"end\r")
    assert said.startswith("True\n")
    assert "got end" in said
    assert box.wait(20) == lc.ExitStatus(code=7)


def test_attach_without_a_terminal_shows_the_output(box: lc.Container) -> None:
    script = "while [ ! -e /go ]; do sleep 0.02; done; echo out; echo err >&2"
    box.run(shell(script), detach=True)
    with box.attach() as attachment:
        assert attachment.terminal is None
        with pytest.raises(OSError, match="no terminal"):
            attachment.write(b"x")
        box.exec(lc.Process(["touch", "/go"])).wait()
        seen = b""
        while data := attachment.read():
            seen += data
        assert seen == b"out\nerr\n"


def test_a_reader_who_does_not_read_cannot_stop_the_container(
    box: lc.Container,
) -> None:
    script = "while [ ! -e /go ]; do sleep 0.02; done; yes | head -c 4000000; exit 5"
    handle = box.run(shell(script), detach=True)
    with box.attach() as lazy:
        box.exec(lc.Process(["touch", "/go"])).wait()
        assert handle.wait(20) == lc.ExitStatus(code=5)
        while lazy.read():
            pass


def test_no_more_than_eight_are_attached_at_once(box: lc.Container) -> None:
    box.run(shell("sleep 1000", terminal=True), detach=True)
    attached = [box.attach() for _ in range(8)]
    with pytest.raises(lc.HelperError, match="does not let us attach"):
        box.attach()
    attached.pop().close()
    wait_until(lambda: _attach_and_leave(box))
    for attachment in attached:
        attachment.close()


def _attach_and_leave(container: lc.Container) -> bool:
    try:
        container.attach().close()
    except lc.HelperError:
        return False
    return True


def test_attach_is_refused_where_there_is_nobody_to_attach_to(
    box: lc.Container,
) -> None:
    with pytest.raises(lc.StateError, match="cannot attach"):
        box.attach()
    box.run(SLEEPER)
    with pytest.raises(lc.UnsupportedError, match="detach=True"):
        box.attach()


def test_a_prepared_detached_container_can_be_attached_before_it_starts(
    box: lc.Container,
) -> None:
    box.prepare(shell("echo begun", terminal=True), detach=True)
    with box.attach() as attachment:
        attachment.resize(10, 20)
        box.start()
        assert b"begun" in read_until(attachment, b"begun")
    assert box.wait(20) == lc.ExitStatus(code=0)


def test_explain_of_a_detached_container_is_not_changed_by_it(
    box: lc.Container,
) -> None:
    assert "monitor" not in box.explain(SLEEPER)
