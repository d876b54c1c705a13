# SPDX-License-Identifier: Apache-2.0
"""The console socket: the terminal's master goes to somebody else, as runc has it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

import libcontainer as lc
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")


@pytest.fixture
def box(factory: lc.Factory, busybox_rootfs: Path) -> Iterator[lc.Container]:
    """A container in which nothing runs yet; it is deleted at the end."""
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))
    with factory.create(new_id(), config) as container:
        yield container


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    """Who waits for terminals, at console.sock of the test's folder."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as made:
        made.bind(str(tmp_path / "console.sock"))
        made.listen(1)
        made.settimeout(20)
        yield made


def shell(script: str, console: object) -> lc.Process:
    return lc.Process(["sh", "-c", script], terminal=True, console_socket=console)


def receive(connection: socket.socket) -> int:
    """Take the one message of the protocol; return the master."""
    data, fds, flags, _ = socket.recv_fds(connection, 4096, 8)
    assert data == b"/dev/ptmx"
    assert len(fds) == 1
    assert not flags & (socket.MSG_CTRUNC | socket.MSG_TRUNC)
    assert stat.S_ISCHR(os.fstat(fds[0]).st_mode)
    return fds[0]


def take(listener: socket.socket) -> int:
    connection, _ = listener.accept()
    with connection:
        master = receive(connection)
        assert connection.recv(1) == b""
    return master


def read_all(master: int) -> bytes:
    seen = b""
    # A master whose slaves are all closed is an error to read.
    with contextlib.suppress(OSError):
        while data := os.read(master, 1000):
            seen += data
    os.close(master)
    return seen


@pytest.mark.parametrize("verb", ["run", "prepare", "exec", "detach"])
def test_the_master_goes_to_who_listens(
    box: lc.Container, listener: socket.socket, tmp_path: Path, verb: str
) -> None:
    process = shell("tty; echo typed $(cat)", str(tmp_path / "console.sock"))
    if verb == "exec":
        box.run(lc.Process(["sleep", "1000"]))
    if verb == "detach":
        handle = box.run(process, detach=True)
    else:
        handle = getattr(box, verb)(process)
    assert handle.terminal is None
    master = take(listener)
    if verb == "prepare":
        box.start()
    os.write(master, b"here\n\x04")
    seen = read_all(master)
    assert handle.wait(20) == lc.ExitStatus(code=0)
    assert b"/dev/pts/0" in seen
    assert b"typed here" in seen


def test_the_master_goes_through_a_connected_socket(box: lc.Container) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with ours, theirs:
        handle = box.run(shell("tty", theirs.fileno()))
        assert b"/dev/pts/0" in read_all(receive(ours))
        assert handle.wait(20) == lc.ExitStatus(code=0)
        # It is the caller's: still open, and as it was.
        assert theirs.getblocking()
        assert not fcntl.fcntl(theirs, fcntl.F_GETFL) & os.O_NONBLOCK
        theirs.send(b"x")
        assert ours.recv(1) == b"x"


def test_nobody_else_keeps_the_master(
    box: lc.Container, listener: socket.socket, tmp_path: Path
) -> None:
    handle = box.run(shell("sleep 1000", str(tmp_path / "console.sock")))
    # With the last master the terminal hangs up, which ends who leads it. As
    # first process of its namespace it has to ask for that.
    os.close(take(listener))
    handle.kill()
    assert handle.wait(20) == lc.ExitStatus(signal=9)
    masters = [fd for fd in os.listdir("/proc/self/fd") if _is_master(fd)]
    assert masters == []


def _is_master(fd: str) -> bool:
    try:
        return "ptmx" in os.readlink(f"/proc/self/fd/{fd}")
    except FileNotFoundError:
        return False


def _refused(tmp_path: Path, kind: str) -> tuple[object, int]:
    path = str(tmp_path / kind)
    if kind == "absent":
        return path, errno.ENOENT
    if kind == "file":
        Path(path).touch()
        return path, errno.ECONNREFUSED
    if kind in ("nobody listens", "datagram"):
        with socket.socket(
            socket.AF_UNIX,
            socket.SOCK_DGRAM if kind == "datagram" else socket.SOCK_STREAM,
        ) as made:
            made.bind(path)
            if kind == "datagram":
                return path, errno.ECONNREFUSED
        return path, errno.ECONNREFUSED
    raise AssertionError(kind)


@pytest.mark.parametrize("kind", ["absent", "file", "nobody listens", "datagram"])
def test_a_path_where_nobody_takes_it_is_refused_before_anything_is_made(
    box: lc.Container, tmp_path: Path, kind: str
) -> None:
    path, number = _refused(tmp_path, kind)
    # What the factory keeps open is there from now on.
    box.explain(lc.Process(["true"]))
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(lc.StepError) as caught:
        box.run(shell("true", path))
    assert caught.value.errno == number
    assert f"connect to the console socket {path!r}" in str(caught.value)
    assert "hint:" in str(caught.value)
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert box.status() is lc.Status.CREATING


def test_a_datagram_socket_that_lives_is_refused(
    box: lc.Container, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "dgram"))
        with pytest.raises(lc.StepError) as caught:
            box.run(shell("true", str(tmp_path / "dgram")))
    assert caught.value.errno == errno.EPROTOTYPE


@pytest.mark.parametrize(
    ("family", "kind", "number"),
    [
        (socket.AF_INET, socket.SOCK_STREAM, errno.ENOTSOCK),
        (socket.AF_UNIX, socket.SOCK_DGRAM, errno.EPROTOTYPE),
        (socket.AF_UNIX, socket.SOCK_STREAM, errno.ENOTCONN),
    ],
    ids=["inet", "datagram", "not connected"],
)
def test_an_fd_that_is_no_such_socket_is_refused(
    box: lc.Container, family: int, kind: int, number: int
) -> None:
    with socket.socket(family, kind) as given:
        with pytest.raises(lc.StepError) as caught:
            box.run(shell("true", given.fileno()))
        assert caught.value.errno == number
        assert given.fileno() >= 0


def test_an_fd_that_is_no_socket_or_not_open_is_refused(
    box: lc.Container, tmp_path: Path
) -> None:
    with open(tmp_path / "file", "w") as file:
        with pytest.raises(lc.StepError) as caught:
            box.run(shell("true", file.fileno()))
        assert caught.value.errno == errno.ENOTSOCK
        # So high that nothing which a launch opens gets it.
        number = fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, 500)
    os.close(number)
    with pytest.raises(lc.StepError) as caught:
        box.run(shell("true", number))
    assert caught.value.errno == errno.EBADF


def test_a_receiver_that_has_gone_undoes_the_launch(box: lc.Container) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    ours.close()
    with theirs:
        # A peer that is gone shows at the first word, which is the terminal.
        with pytest.raises(lc.StepError, match="console socket fd") as caught:
            box.run(shell("sleep 1000", theirs.fileno()))
        assert caught.value.errno in (errno.EPIPE, errno.ENOTCONN)
    assert box.status() is lc.Status.CREATING
    assert box.run(lc.Process(["true"])).wait() == lc.ExitStatus(code=0)
