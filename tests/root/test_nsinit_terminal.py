# SPDX-License-Identifier: Apache-2.0
"""``nsinit`` in front of a terminal, and ``nsinit`` that does not stay there."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define

import libcontainer as lc

pytestmark = pytest.mark.needs("root", "rootfs")

_SAMPLES = Path(__file__).resolve().parents[2] / "examples" / "sample_configs"
_NSINIT = [sys.executable, "-m", "libcontainer.commands.nsinit"]
_ONLCR = (1, termios.ONLCR)


def _configure(rootfs: Path, **changes: Any) -> None:
    document = json.loads((_SAMPLES / "minimal.json").read_text())
    (rootfs / "container.json").write_text(json.dumps({**document, **changes}))


@pytest.fixture
def rootfs(busybox_rootfs: Path, tmp_path: Path) -> Iterator[Path]:
    """A root filesystem of its own, with a terminal; its container is deleted."""
    copy = tmp_path / "rootfs"
    shutil.copytree(busybox_rootfs, copy, symlinks=True)
    _configure(copy, tty=True)
    yield copy
    with lc.Factory() as factory:
        for container in factory:
            if str(copy) in str(container.config.rootfs):
                container.delete(force=True)


@define
class Seat:
    """A terminal with nsinit in front of it."""

    master: int
    slave: int
    process: subprocess.Popen[bytes]
    before: list[Any]
    seen: bytes = b""

    def until(self, wanted: bytes) -> bytes:
        """Read until the terminal has shown *wanted*."""
        while wanted not in self.seen:
            assert select.select([self.master], [], [], 20)[0], self.seen
            self.seen += os.read(self.master, 4096)
        shown, self.seen = self.seen, b""
        return shown

    def type(self, keys: bytes) -> None:
        """Type something."""
        os.write(self.master, keys)

    def is_restored(self) -> bool:
        """Tell whether the terminal's mode is what it was."""
        return bool(termios.tcgetattr(self.slave) == self.before)


Sit = Callable[..., Seat]


@pytest.fixture
def sit(rootfs: Path) -> Iterator[Sit]:
    """Run nsinit with a terminal of its own as its standard streams."""
    seats: list[Seat] = []

    def run(*args: str, stdout: int | None = None) -> Seat:
        master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (31, 87))
        before = termios.tcgetattr(slave)
        process = subprocess.Popen(
            [*_NSINIT, *args],
            cwd=rootfs,
            stdin=slave,
            stdout=slave if stdout is None else stdout,
            stderr=slave,
            start_new_session=True,
        )
        seats.append(Seat(master, slave, process, before))
        return seats[-1]

    yield run
    for seat in seats:
        seat.process.kill()
        seat.process.wait(20)
        os.close(seat.master)
        os.close(seat.slave)


def _nsinit(rootfs: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*_NSINIT, *args],
        cwd=rootfs,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# -- in front of it


def test_the_size_follows_the_callers_terminal(sit: Sit) -> None:
    script = "trap 'stty size' WINCH; stty size; while :; do sleep 0.05; done"
    seat = sit("exec", "sh", "-c", script)
    seat.until(b"31 87")
    termios.tcsetwinsize(seat.slave, (44, 101))
    seat.process.send_signal(signal.SIGWINCH)
    seat.until(b"44 101")
    # In the container as well, without asking the program that was told.
    assert not seat.is_restored()
    seat.process.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_ends_the_program_leaves_the_terminal_as_it_was(
    sit: Sit, number: signal.Signals
) -> None:
    script = "trap 'exit 5' TERM HUP INT; echo ready; while :; do sleep 0.05; done"
    seat = sit("exec", "sh", "-c", script)
    seat.until(b"ready")
    assert not seat.is_restored()
    seat.process.send_signal(number)
    assert seat.process.wait(20) == 5
    assert seat.is_restored()


def test_line_ends_are_those_of_the_program_where_nobody_sees_them(
    sit: Sit,
) -> None:
    read, write = os.pipe()
    seat = sit("exec", "sh", "-c", "echo one; echo two", stdout=write)
    os.close(write)
    assert seat.process.wait(20) == 0
    assert os.read(read, 100) == b"one\ntwo\n"
    os.close(read)


def test_line_ends_are_a_terminals_on_a_terminal(sit: Sit) -> None:
    seat = sit("exec", "sh", "-c", "echo one; echo two")
    assert b"one\r\ntwo\r\n" in seat.until(b"two\r\n")
    assert seat.process.wait(20) == 0


# -- subreaper


def parent_of(pid: int) -> int:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


def test_orphans_of_a_shared_pid_namespace_are_reaped(rootfs: Path) -> None:
    document = json.loads((_SAMPLES / "minimal.json").read_text())
    kinds = {**document["namespaces"], "NEWPID": False}
    _configure(rootfs, tty=False, namespaces=kinds)
    script = "(sleep 1 & echo $!); sleep 3; exit 6"
    nsinit = subprocess.Popen(
        [*_NSINIT, "exec", "sh", "-c", script], cwd=rootfs, stdout=subprocess.PIPE
    )
    with nsinit:
        assert nsinit.stdout is not None
        orphan = int(nsinit.stdout.readline())
        deadline = time.monotonic() + 20
        # The shell between them may still be about to end.
        while parent_of(orphan) != nsinit.pid:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        while Path(f"/proc/{orphan}").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        # Reaped by nsinit, which is still there for its own.
        assert nsinit.poll() is None
        assert nsinit.wait(20) == 6


# -- not in front of it


def test_detach_returns_and_the_container_stays(rootfs: Path) -> None:
    _configure(rootfs, tty=False)
    pid_file = rootfs.parent / "pid"
    script = "echo began; sleep 1000"
    # Its output is ours, so a file: a pipe would not end before it does.
    with open(rootfs.parent / "out", "wb") as out:
        done = subprocess.run(
            [*_NSINIT, "exec", "--detach", "--pid-file", pid_file, "sh", "-c", script],
            cwd=rootfs,
            stdout=out,
            stderr=out,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0
    pid = int(pid_file.read_text())
    assert os.readlink(f"/proc/{pid}/exe").endswith("/busybox")
    assert json.loads((rootfs / "state.json").read_text())["init_pid"] == pid
    assert sorted(path.name for path in rootfs.parent.iterdir()) == [
        "out",
        "pid",
        "rootfs",
    ]
    joined = _nsinit(rootfs, "exec", "sh", "-c", "cat /proc/1/cmdline; exit 4")
    assert joined.returncode == 4
    assert "sleep" in joined.stdout
    with lc.Factory() as factory:
        (container,) = [c for c in factory if str(rootfs) in str(c.config.rootfs)]
        container.signal("KILL")
        assert container.wait(20) == lc.ExitStatus(signal=9)
    # What has ended makes room.
    assert _nsinit(rootfs, "exec", "sh", "-c", "exit 3").returncode == 3
    assert (rootfs.parent / "out").read_bytes().endswith(b"began\n")


def test_a_detached_terminal_is_attached_to_and_left(rootfs: Path, sit: Sit) -> None:
    script = "while read a; do echo got $a; [ $a = end ] && exit 7; done"
    assert _nsinit(rootfs, "exec", "--detach", "sh", "-c", script).returncode == 0
    seat = sit("attach")
    seat.type(b"one\r")
    seat.until(b"got one")
    seat.type(b"\x10\x11")
    assert seat.process.wait(20) == 0
    assert seat.is_restored()
    again = sit("attach", "--detach-keys", "ctrl-x")
    again.type(b"two\r")
    again.until(b"got two")
    termios.tcsetwinsize(again.slave, (40, 120))
    again.process.send_signal(signal.SIGWINCH)
    again.type(b"\x18")
    assert again.process.wait(20) == 0
    last = sit("attach")
    last.type(b"end\r")
    assert last.process.wait(20) == 7
    assert last.is_restored()


def test_a_signal_that_ends_attach_leaves_container_and_terminal_as_they_were(
    rootfs: Path, sit: Sit
) -> None:
    assert _nsinit(rootfs, "exec", "--detach", "cat").returncode == 0
    seat = sit("attach")
    seat.type(b"one\r")
    seat.until(b"one\r\none")
    seat.process.send_signal(signal.SIGTERM)
    assert seat.process.wait(20) == 128 + signal.SIGTERM
    assert seat.is_restored()
    assert _nsinit(rootfs, "exec", "true").returncode == 0


@pytest.mark.parametrize("detach", [True, False])
def test_the_terminal_goes_to_the_console_socket(
    rootfs: Path, tmp_path: Path, detach: bool
) -> None:
    path = str(tmp_path / "console.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        listener.settimeout(20)
        flags = ["--detach"] if detach else []
        script = "tty; exit 3"
        words = [*_NSINIT, "exec", *flags, "--console-socket", path, "sh", "-c", script]
        nsinit = subprocess.Popen(words, cwd=rootfs, stdout=subprocess.DEVNULL)
        connection, _ = listener.accept()
        with connection:
            data, (master,), _, _ = socket.recv_fds(connection, 100, 2)
        assert data == b"/dev/ptmx"
        seen = b""
        while b"/dev/pts/0" not in seen:
            seen += os.read(master, 100)
        assert nsinit.wait(20) == (0 if detach else 3)
        os.close(master)


def test_a_further_process_is_detached_with_its_pid_written(rootfs: Path) -> None:
    _configure(rootfs, tty=False)
    out = open(os.devnull, "wb")  # noqa: SIM115
    with out:
        words = [*_NSINIT, "exec", "--detach"]
        streams = {"stdout": out, "stderr": out}
        subprocess.run([*words, "sleep", "1000"], cwd=rootfs, check=True, **streams)  # type: ignore[call-overload]
        pid_file = rootfs.parent / "further"
        words += ["--pid-file", str(pid_file), "sleep", "999"]
        subprocess.run(words, cwd=rootfs, check=True, **streams)  # type: ignore[call-overload]
    pid = int(pid_file.read_text())
    assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x00999\x00"
    os.kill(pid, signal.SIGKILL)


def test_a_pid_file_that_cannot_be_written_leaves_no_container(rootfs: Path) -> None:
    _configure(rootfs, tty=False)
    done = _nsinit(rootfs, "exec", "--detach", "--pid-file", "/nowhere/pid", "cat")
    assert done.returncode == 1
    assert "/nowhere" in done.stderr
    with lc.Factory() as factory:
        assert not [c for c in factory if str(rootfs) in str(c.config.rootfs)]
    assert not (rootfs / "state.json").exists()


def test_attach_without_a_container_says_so(rootfs: Path) -> None:
    done = _nsinit(rootfs, "attach")
    assert done.returncode == 1
    assert "does not exist" in done.stderr
    assert "Traceback" not in done.stderr
