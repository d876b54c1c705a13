# SPDX-License-Identifier: Apache-2.0
"""The command ``nsinit`` with container.json files of 1.2.0."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.config import CAPABILITY_NUMBERS

pytestmark = pytest.mark.needs("root", "rootfs")

_SAMPLES = Path(__file__).resolve().parents[2] / "examples" / "sample_configs"
_NSINIT = [sys.executable, "-m", "libcontainer.commands.nsinit"]


def _sample(name: str, **changes: Any) -> dict[str, Any]:
    document = json.loads((_SAMPLES / name).read_text())
    document.update(changes)
    return dict(document)


@pytest.fixture
def rootfs(busybox_rootfs: Path, tmp_path: Path) -> Iterator[Path]:
    """A root filesystem of its own with the minimal container.json in it."""
    copy = tmp_path / "rootfs"
    shutil.copytree(busybox_rootfs, copy, symlinks=True)
    _configure(copy)
    yield copy
    assert not (copy / "state.json").exists()


def _configure(rootfs: Path, sample: str = "minimal.json", **changes: Any) -> None:
    changes.setdefault("tty", False)
    (rootfs / "container.json").write_text(json.dumps(_sample(sample, **changes)))


def _nsinit(
    rootfs: Path, *args: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*_NSINIT, *args],
        cwd=rootfs,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.01)


def test_exec_runs_a_command_in_the_container_that_the_file_describes(
    rootfs: Path,
) -> None:
    done = _nsinit(rootfs, "exec", "sh", "-c", "id -un; hostname; ls /container.json")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "daemon\nkoye\n/container.json\n"


def test_streams_that_are_closed_are_not_the_log(rootfs: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = "echo out; echo err >&2; exit 3"
    command = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *_NSINIT]
    done = subprocess.run(
        [*command, "exec", "sh", "-c", script],
        cwd=rootfs,
        env={**os.environ, "log": str(log)},
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert "err" not in log.read_text().splitlines()
    assert "out" not in log.read_text().splitlines()


def test_a_container_that_is_to_begin_frozen_is_paused(rootfs: Path) -> None:
    cgroups = {"name": "lc-frozen", "parent": "lc", "freezer": "FROZEN"}
    _configure(rootfs, cgroups={**cgroups, "slice": "lc.slice"})
    try:
        # Its streams would be ours.
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        command = [*_NSINIT, "exec", "--detach", "sleep", "1000"]
        subprocess.run(command, cwd=rootfs, check=True, timeout=60, **streams)
        with lc.Factory() as factory:
            (box,) = (b for b in factory.list() if b.id.startswith("nsinit-"))
            # Without systemd the slice has no effect, as in 1.2.0.
            assert all(p.endswith("/lc/lc-frozen") for p in box.state().cgroup.values())
            assert box.status() is lc.Status.PAUSED
            box.resume()
            assert box.status() is lc.Status.RUNNING
    finally:
        with lc.Factory() as factory:
            for box in factory.list():
                box.delete(force=True)
        (rootfs / "state.json").unlink(missing_ok=True)


@pytest.mark.needs("debian")
def test_exec_runs_a_debian_root_filesystem(
    debian_rootfs: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "debian"
    # It holds device nodes, which must not be read.
    subprocess.run(["cp", "-a", debian_rootfs, copy], check=True)
    _configure(copy)
    script = "cat /etc/os-release; id; hostname; mount"
    done = _nsinit(copy, "exec", "/bin/bash", "-c", script)
    assert done.returncode == 0, done.stderr
    assert 'NAME="Debian GNU/Linux"' in done.stdout
    assert "uid=1(daemon)" in done.stdout
    assert "\nkoye\n" in done.stdout
    assert " on /proc type proc (rw,nosuid,nodev,noexec" in done.stdout
    assert " on /dev/pts type devpts" in done.stdout


def test_the_restrict_preset_and_capabilities_of_the_file_hold(rootfs: Path) -> None:
    script = "grep CapBnd /proc/self/status; echo > /proc/sys/kernel/panic"
    done = _nsinit(rootfs, "exec", "sh", "-c", script)
    names = _sample("minimal.json")["capabilities"]
    wanted = sum(1 << CAPABILITY_NUMBERS[f"CAP_{name}"] for name in names)
    assert f"{wanted:016x}" in done.stdout
    assert "Read-only file system" in done.stderr or "denied" in done.stderr


@pytest.mark.parametrize(
    ("script", "code"), [("exit 7", 7), ("kill -TERM $$; sleep 5", 143), ("true", 0)]
)
def test_the_exit_status_is_passed_on(rootfs: Path, script: str, code: int) -> None:
    # Not as process 1, which a signal without a handler does not end.
    done = _nsinit(rootfs, "exec", "sh", "-c", f"sh -c '{script}'; exit $?")
    assert done.returncode == code, done.stderr


def test_a_second_exec_joins_and_sees_the_first_ones_processes(rootfs: Path) -> None:
    first = subprocess.Popen([*_NSINIT, "exec", "sleep", "1000"], cwd=rootfs)
    try:
        _wait_for(rootfs / "state.json")
        state = json.loads((rootfs / "state.json").read_text())
        comm = Path(f"/proc/{state['init_pid']}/comm").read_text()
        assert comm in ("busybox\n", "sleep\n")
        assert state["init_start_time"].isdigit()
        script = "cat /proc/1/cmdline; echo; id -un; exit 9"
        done = _nsinit(rootfs, "exec", "sh", "-c", script)
        assert done.returncode == 9, done.stderr
        assert done.stdout == "sleep\x001000\x00\ndaemon\n"
        assert first.poll() is None
    finally:
        # Process 1 has no handler for SIGTERM; nsinit forwards it all the same.
        os.kill(int(state["init_pid"]), signal.SIGKILL)
        assert first.wait(20) == 137


def test_data_path_names_the_folder_of_the_files(rootfs: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (rootfs / "container.json").rename(data / "container.json")
    done = _nsinit(rootfs, "exec", "ls", "/container.json", data_path=str(data))
    assert done.returncode == 1
    assert "No such file" in done.stderr
    assert not (data / "state.json").exists()


def test_a_signal_to_nsinit_reaches_the_process(rootfs: Path) -> None:
    script = "trap 'exit 5' USR1; while :; do sleep 0.05; done"
    nsinit = subprocess.Popen([*_NSINIT, "exec", "sh", "-c", script], cwd=rootfs)
    _wait_for(rootfs / "state.json")
    time.sleep(0.3)
    nsinit.send_signal(signal.SIGUSR1)
    assert nsinit.wait(20) == 5


def test_a_stale_container_of_a_killed_nsinit_is_replaced(rootfs: Path) -> None:
    first = subprocess.Popen([*_NSINIT, "exec", "sleep", "1000"], cwd=rootfs)
    _wait_for(rootfs / "state.json")
    state = json.loads((rootfs / "state.json").read_text())
    first.kill()
    first.wait(20)
    os.kill(int(state["init_pid"]), signal.SIGKILL)
    done = _nsinit(rootfs, "exec", "echo", "again")
    assert (done.returncode, done.stdout) == (0, "again\n"), done.stderr


def test_a_symlink_in_place_of_the_state_file_is_not_followed(
    rootfs: Path, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    canary.write_text("untouched")
    (rootfs / "state.json").symlink_to(canary)
    (rootfs / ".state.json.new").symlink_to(canary)
    assert _nsinit(rootfs, "exec", "true").returncode == 0
    assert canary.read_text() == "untouched"


def test_a_tty_gives_the_program_a_terminal_of_the_callers_size(rootfs: Path) -> None:
    _configure(rootfs, tty=True)
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(rootfs)
        os.execv(sys.executable, [*_NSINIT, "exec", "sh", "-c", "tty; stty size; cat"])
    try:
        termios.tcsetwinsize(master, (31, 87))
        os.kill(pid, signal.SIGWINCH)
        _wait_for(rootfs / "state.json")
        time.sleep(0.3)
        os.write(master, b"typed\n\x04")
        seen = _read_all(master)
    finally:
        _, status = os.waitpid(pid, 0)
        os.close(master)
    assert b"/dev/pts/0" in seen
    assert b"typed" in seen
    assert os.waitstatus_to_exitcode(status) == 0


def _read_all(fd: int) -> bytes:
    seen = b""
    while select.select([fd], [], [], 20)[0]:
        try:
            data = os.read(fd, 4096)
        except OSError:
            break
        if not data:
            break
        seen += data
    return seen


def test_the_callers_terminal_is_restored(rootfs: Path) -> None:
    _configure(rootfs, tty=True)
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    done = subprocess.run(
        [*_NSINIT, "exec", "true"],
        cwd=rootfs,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


def test_config_prints_the_configuration_as_it_was_read(rootfs: Path) -> None:
    printed = json.loads(_nsinit(rootfs, "config").stdout)
    assert printed["hostname"] == "koye"
    assert printed["capabilities"] == _sample("minimal.json")["capabilities"]


@pytest.fixture
def docker0() -> Iterator[str]:
    """The bridge of the sample that attaches to one; its address is given back."""

    def ip(*args: str) -> None:
        subprocess.run(["ip", *args], check=True, capture_output=True)

    ip("link", "add", "docker0", "type", "bridge")
    try:
        ip("addr", "add", "172.17.42.1/16", "dev", "docker0")
        ip("link", "set", "docker0", "up")
        yield "172.17.42.1"
    finally:
        ip("link", "del", "docker0")


def test_exec_runs_the_sample_that_attaches_to_a_bridge(
    rootfs: Path, docker0: str
) -> None:
    _configure(rootfs, "attach_to_bridge.json")
    script = f"ip addr show eth0; ip route; ping -c1 -W5 {docker0}"
    done = _nsinit(rootfs, "exec", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    assert "172.17.0.101/16" in done.stdout
    assert f"default via {docker0} dev eth0" in done.stdout


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        ("attach_to_bridge.json", "there is no link 'docker0'"),
        ("apparmor.json", "AppArmor profile 'libcontainer-absent': "),
        ("selinux.json", "SELinux label 'system_u:"),
    ],
)
def test_what_release_or_host_do_not_have_is_refused_by_name(
    rootfs: Path, sample: str, words: str
) -> None:
    absent = {"apparmor_profile": "libcontainer-absent"}
    _configure(rootfs, sample, **(absent if sample == "apparmor.json" else {}))
    done = _nsinit(rootfs, "exec", "true")
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_the_network_namespace_of_the_file_is_joined(rootfs: Path) -> None:
    networks = [{"type": "netns", "ns_path": "/proc/self/ns/net"}]
    _configure(rootfs, networks=networks)
    done = _nsinit(rootfs, "exec", "readlink", "/proc/self/ns/net")
    assert done.stdout.strip() == os.readlink("/proc/self/ns/net"), done.stderr


def test_a_broken_file_is_told_with_the_position(rootfs: Path) -> None:
    (rootfs / "container.json").write_text('{"hostname": }')
    done = _nsinit(rootfs, "exec", "true")
    assert done.returncode == 1
    assert "line 1" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_functions_are_listed(rootfs: Path) -> None:
    done = _nsinit(rootfs, "exec", "--list")
    assert done.stdout.splitlines()[0].split() == ["NAME", "USAGE"]
    assert done.stdout.splitlines()[1].startswith("exec")


# -- the options of exec


@pytest.fixture
def running(rootfs: Path) -> Iterator[Path]:
    """The rootfs of a container that runs."""
    first = subprocess.Popen([*_NSINIT, "exec", "sleep", "1000"], cwd=rootfs)
    try:
        _wait_for(rootfs / "state.json")
        yield rootfs
    finally:
        state = json.loads((rootfs / "state.json").read_text())
        os.kill(int(state["init_pid"]), signal.SIGKILL)
        first.wait(20)


_SHOW = "id -u; id -g; id -G; pwd; echo $A; grep -E 'CapBnd|NoNew' /proc/self/status"
_OPTIONS = (
    *("--user", "0:5", "--cwd", "/tmp", "--env", "A=b", "--env", "HOME=/x"),
    *("--additional-gids", "7,8", "--additional-gids", "9", "--cap", "CAP_SYS_TIME"),
    "--no-new-privs",
)


def _check_options(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr
    uid, gid, groups, cwd, a, bounding, nnp = done.stdout.splitlines()
    assert (uid, gid, set(groups.split())) == ("0", "5", {"5", "7", "8", "9"})
    assert (cwd, a, nnp.split()[1]) == ("/tmp", "b", "1")
    names = _sample("minimal.json")["capabilities"]
    wanted = {CAPABILITY_NUMBERS[f"CAP_{name}"] for name in names}
    wanted.add(CAPABILITY_NUMBERS["CAP_SYS_TIME"])
    assert int(bounding.split()[1], 16) == sum(1 << number for number in wanted)


def test_exec_takes_what_a_process_gets_as_options(running: Path) -> None:
    _check_options(_nsinit(running, "exec", *_OPTIONS, "sh", "-c", _SHOW))


def test_the_first_exec_takes_them_too(rootfs: Path) -> None:
    _check_options(_nsinit(rootfs, "exec", *_OPTIONS, "sh", "-c", _SHOW))


def test_variables_of_options_go_over_the_containers(running: Path) -> None:
    done = _nsinit(running, "exec", "--env", "TERM=mine", "env")
    seen = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert seen["TERM"] == "mine"
    assert "PATH" in seen


def test_exec_gives_a_terminal_where_the_container_has_none(running: Path) -> None:
    assert _nsinit(running, "exec", "tty").stdout != "/dev/pts/0\n"
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(running)
        os.execv(
            sys.executable, [*_NSINIT, "exec", "--tty", "sh", "-c", "tty; stty size"]
        )
    try:
        seen = _read_all(master)
    finally:
        _, status = os.waitpid(pid, 0)
        os.close(master)
    assert b"/dev/pts/0" in seen
    assert os.waitstatus_to_exitcode(status) == 0


def test_exec_reads_an_oci_process_from_a_file(running: Path, tmp_path: Path) -> None:
    document = {
        "args": ["sh", "-c", _SHOW],
        "cwd": "/tmp",
        "user": {"uid": 3, "gid": 4, "additionalGids": [5]},
        "env": ["A=from file", "PATH=/bin"],
        "noNewPrivileges": True,
        "capabilities": {"bounding": ["CAP_KILL"]},
    }
    file = tmp_path / "process.json"
    file.write_text(json.dumps(document))
    done = _nsinit(running, "exec", "--process", str(file))
    assert done.returncode == 0, done.stderr
    uid, gid, groups, cwd, a, bounding, nnp = done.stdout.splitlines()
    assert (uid, gid, set(groups.split())) == ("3", "4", {"4", "5"})
    assert (cwd, a, nnp.split()[1]) == ("/tmp", "from file", "1")
    assert int(bounding.split()[1], 16) == 1 << CAPABILITY_NUMBERS["CAP_KILL"]


def test_exec_hands_on_the_descriptors_of_its_caller(
    running: Path, tmp_path: Path
) -> None:
    (tmp_path / "handed").write_text("through\n")
    script = f'exec 3<{tmp_path}/handed 4</dev/null; exec "$@"'
    for number, expected in (("2", ["0", "1", "2", "3", "4"]), ("0", ["0", "1", "2"])):
        inside = "ls /proc/self/fd; [ -e /proc/self/fd/3 ] && cat <&3"
        command = [*_NSINIT, "exec", "--preserve-fds", number, "sh", "-c", inside]
        done = subprocess.run(
            ["sh", "-c", script, "sh", *command],
            cwd=running,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        lines = done.stdout.split()
        assert ("through" in lines) == (number == "2"), done.stderr
        fds = [line for line in lines if line.isdigit()]
        # The directory that ls reads is one more.
        assert fds[: len(expected)] == expected
        assert len(fds) == len(expected) + 1


def test_ignore_paused_is_accepted(running: Path) -> None:
    assert _nsinit(running, "exec", "--ignore-paused", "true").returncode == 0


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--user", "no body", "true"], "user"),
        (["--user", "nobody-here", "true"], "nobody-here"),
        (["--cwd", "tmp", "true"], "cwd: must be an absolute path"),
        (["--env", "A", "true"], "env[4]: has no '='"),
        (["--additional-gids", "wheel", "true"], "takes numbers, not 'wheel'"),
        (["--cap", "CAP_NONE", "true"], "CAP_NONE"),
        (["--preserve-fds", "-1", "true"], "must not be negative"),
        (["--preserve-fds", "900", "true"], "fd 3 is not open"),
        (["--process", "/absent"], "No such file"),
        (["--process", "container.json"], "args: is required"),
        (["--process", "container.json", "true"], "together with a command"),
        (["--process", "container.json", "--user", "1"], "together with --user"),
        (["--func", "mknod", "/dev/x", "c", "1"], "mknod takes a path"),
        (["--func", "mknod", "/etc/x", "c", "1", "3"], "device.path"),
        (["--func", "mknod", "/dev/x", "c", "one", "3"], "one"),
        (["--func", "ip", "link"], "ip takes no arguments"),
        (["--func", "other"], "function 'other'"),
    ],
)
def test_wrong_options_are_refused_by_name(
    running: Path, options: list[str], problem: str
) -> None:
    done = _nsinit(running, "exec", *options)
    assert done.returncode == 1
    assert problem in done.stderr


# -- the other functions


def test_list_names_the_functions(rootfs: Path) -> None:
    lines = _nsinit(rootfs, "exec", "--list").stdout.splitlines()
    assert lines[0] == "NAME\tUSAGE"
    assert [line.split("\t")[0] for line in lines[1:]] == ["exec", "mknod", "ip"]


def test_mknod_makes_a_node_in_the_running_container(running: Path) -> None:
    done = _nsinit(running, "exec", "--func", "mknod", "/dev/kmsg", "c", "1", "11")
    assert done.returncode == 0, done.stderr
    seen = _nsinit(running, "exec", "stat", "-c", "%F %t %T", "/dev/kmsg").stdout
    assert seen == "character special file 1 b\n"


def test_ip_lists_the_interfaces_of_the_container(running: Path) -> None:
    done = _nsinit(running, "exec", "--func", "ip")
    assert done.returncode == 0, done.stderr
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["NAME", "MTU", "MAC", "FLAG", "ADDRS"]
    assert [row.split()[0] for row in rows] == ["lo"]
    assert rows[0].split()[-1].startswith("127.0.0.1/8")
    assert "up|loopback" in rows[0]


@pytest.mark.parametrize("function", [["mknod", "/dev/x", "c", "1", "3"], ["ip"]])
def test_a_function_needs_a_running_container(
    rootfs: Path, function: list[str]
) -> None:
    done = _nsinit(rootfs, "exec", "--func", *function)
    assert (done.returncode, "needs a running container" in done.stderr) == (1, True)
