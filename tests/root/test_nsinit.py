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


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        ("attach_to_bridge.json", "networks[1]"),
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


@pytest.mark.parametrize("command", ["stats", "pause", "unpause"])
def test_commands_that_need_cgroups_say_so(rootfs: Path, command: str) -> None:
    done = _nsinit(rootfs, command)
    assert done.returncode == 1
    assert "cgroup support" in done.stderr


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
