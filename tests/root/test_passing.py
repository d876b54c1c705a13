# SPDX-License-Identifier: Apache-2.0
"""Descriptors that go into a container, and pidfds that come out."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import libcontainer as lc
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root")

LOOK = """
import json, os, socket
names = os.environ["LISTEN_FDNAMES"].split(":")
count = int(os.environ["LISTEN_FDS"])
def port(fd):
    return socket.socket(fileno=os.dup(fd)).getsockname()[1]
print(json.dumps({
    "for_me": int(os.environ["LISTEN_PID"]) == os.getpid(),
    "ports": {name: port(3 + i) for i, name in enumerate(names)},
    "count": count,
    "open": sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:6],
}))
"""

WITH_USER = lc.Config(
    namespaces=[*lc.Config().namespaces, "user"],
    uid_mappings=[lc.IdMapping(0, 100000, 65536)],
    gid_mappings=[lc.IdMapping(0, 100000, 65536)],
)
WITHOUT_PID = lc.Config(namespaces=["mount", "ipc", "uts"])


@pytest.fixture
def sockets() -> Iterator[dict[str, socket.socket]]:
    """Two listening sockets."""
    made = {name: socket.create_server(("127.0.0.1", 0)) for name in ("web", "admin")}
    yield made
    for each in made.values():
        each.close()


@pytest.mark.parametrize("joins", [False, True], ids=["run", "exec"])
@pytest.mark.parametrize(
    "config",
    [lc.Config(), WITH_USER, WITHOUT_PID, lc.Config(init=True)],
    ids=["plain", "user namespace", "host pids", "init"],
)
def test_sockets_to_serve_are_told_to_the_program(
    factory: lc.Factory,
    sockets: dict[str, socket.socket],
    config: lc.Config,
    joins: bool,
) -> None:
    listen = {name: each.fileno() for name, each in sockets.items()}
    read, write = os.pipe()
    process = lc.Process(
        ["python3", "-c", LOOK], listen_fds=listen, pass_fds=[read], stdout=lc.PIPE
    )
    with factory.create(new_id(), config) as container:
        if joins:
            container.run(lc.Process(["sleep", "1000"]))
        with container.run(process) as handle:
            out, _ = handle.communicate()
            assert handle.wait().code == 0
    os.close(read)
    os.close(write)
    seen = json.loads(out or b"")
    ports = {name: each.getsockname()[1] for name, each in sockets.items()}
    assert seen["for_me"] is True
    assert (seen["count"], seen["ports"]) == (2, ports)
    assert seen["open"][:6] == [0, 1, 2, 3, 4, 5]


def test_nothing_is_told_of_sockets_that_are_not_there(factory: lc.Factory) -> None:
    with (
        factory.create(new_id(), lc.Config()) as container,
        container.run(lc.Process(["env"], stdout=lc.PIPE)) as handle,
    ):
        out, _ = handle.communicate()
    assert b"LISTEN" not in (out or b"LISTEN")


def receive(connection: socket.socket) -> int:
    """Return the only fd that comes."""
    _, fds, _, _ = socket.recv_fds(connection, 100, 2)
    (fd,) = fds
    return fd


@pytest.mark.parametrize("joins", [False, True], ids=["run", "exec"])
@pytest.mark.parametrize(
    "config",
    [lc.Config(), WITH_USER, lc.Config(init=True)],
    ids=["plain", "user namespace", "init"],
)
def test_a_pidfd_is_sent_to_a_socket(
    factory: lc.Factory, tmp_path: Path, config: lc.Config, joins: bool
) -> None:
    path = tmp_path / "pidfd.sock"
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server,
        factory.create(new_id(), config) as container,
    ):
        server.bind(str(path))
        server.listen()
        if joins:
            container.run(lc.Process(["sleep", "1000"]))
        process = lc.Process(["sleep", "1000"], pidfd_socket=path)
        with container.run(process) as handle:
            connection, _ = server.accept()
            with connection:
                pidfd = receive(connection)
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.close(pidfd)
            assert handle.wait(10) == lc.ExitStatus(signal=signal.SIGKILL)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_SEQPACKET])
def test_a_pidfd_is_sent_to_an_fd(factory: lc.Factory, kind: socket.SocketKind) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    with ours, theirs, factory.create(new_id(), lc.Config()) as container:
        container.prepare(lc.Process(["sleep", "1000"], pidfd_socket=theirs.fileno()))
        pidfd = receive(ours)
        container.start()
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        os.close(pidfd)
        assert container.wait(10) == lc.ExitStatus(signal=signal.SIGKILL)


@pytest.mark.parametrize("joins", [False, True], ids=["run", "exec"])
def test_a_socket_that_nobody_listens_on_is_an_error(
    factory: lc.Factory, tmp_path: Path, joins: bool
) -> None:
    process = lc.Process(["sleep", "1000"], pidfd_socket=tmp_path / "none")
    with factory.create(new_id(), lc.Config()) as container:
        if joins:
            container.run(lc.Process(["sleep", "1000"]))
        before = container.status()
        with pytest.raises(lc.StepError, match="send the pidfd") as caught:
            container.run(process)
        assert caught.value.errno == errno.ENOENT
        assert container.status() is before
