# SPDX-License-Identifier: Apache-2.0
"""A container tells its service manager that it is ready."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from tests.conftest import RunAsUser
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root")

TELL = """
import os, select, socket, sys
path = os.environ["NOTIFY_SOCKET"]
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.connect(path)
for message in sys.argv[1:]:
    manager.send(message.encode().replace(b"|", b"\\n"))
read, write = os.pipe()
socket.send_fds(manager, [b"BARRIER=1"], [write])
os.close(write)
poll = select.poll()
poll.register(read, select.POLLHUP)
print("synced" if poll.poll(10000) else "late", flush=True)
sys.stdin.read()
"""

WITH_USER: dict[str, Any] = {
    "namespaces": [*lc.Config().namespaces, "user"],
    "uid_mappings": [lc.IdMapping(0, 100000, 65536)],
    "gid_mappings": [lc.IdMapping(0, 100000, 65536)],
}


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket of a service manager."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.bind(str(tmp_path / "manager"))
    made.settimeout(10)
    yield made
    made.close()


def told(manager: socket.socket) -> list[bytes]:
    """Return the messages up to a barrier, and let go whoever waits for it."""
    messages = []
    while True:
        data, fds, _, _ = socket.recv_fds(manager, 4096, 8)
        for fd in fds:
            os.close(fd)
        if data == b"BARRIER=1":
            assert len(fds) == 1
            return messages
        assert fds == []
        messages.append(data)


@pytest.mark.parametrize(
    "wishes",
    [
        {},
        {"user": 1234},
        {"readonly_rootfs": True},
        {"init": True},
        WITH_USER,
        {"namespaces": ["mount"]},
    ],
    ids=["plain", "user", "read-only", "init", "user namespace", "mount only"],
)
def test_readiness_status_and_barrier_reach_the_manager(
    factory: lc.Factory, manager: socket.socket, wishes: dict[str, Any]
) -> None:
    config = lc.Config(notify_socket=manager.getsockname(), **wishes)
    process = lc.Process(
        ["python3", "-c", TELL, "STATUS=starting", "READY=1|MAINPID=1", "FDSTORE=1"],
        stdin=lc.PIPE,
        stdout=lc.PIPE,
    )
    with factory.create(new_id(), config) as container:
        with container.run(process) as handle:
            messages = told(manager)
            out, _ = handle.communicate()
        assert out == b"synced\n"
    ready = f"READY=1\nMAINPID={handle.host_pid}".encode()
    assert messages == [b"STATUS=starting", ready]


def test_what_is_said_at_the_very_end_is_told(
    factory: lc.Factory, manager: socket.socket
) -> None:
    script = TELL.partition("read, write")[0]
    config = lc.Config(notify_socket=manager.getsockname())
    process = lc.Process(["python3", "-c", script, "STOPPING=1"])
    with factory.create(new_id(), config) as container:
        with container.run(process) as handle:
            handle.wait()
        assert manager.recv(4096) == b"STOPPING=1"


def test_an_abstract_manager_is_found_and_a_created_container_is_heard(
    factory: lc.Factory,
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0libcontainer-test-{os.getpid()}")
        manager.settimeout(10)
        address = "@" + manager.getsockname()[1:].decode()
        with factory.create(new_id(), lc.Config(notify_socket=address)) as container:
            process = lc.Process(["python3", "-c", TELL, "READY=1"], stdin=lc.DEVNULL)
            container.prepare(process)
            container.start()
            (message,) = told(manager)
            assert message.startswith(b"READY=1\nMAINPID=")


def test_the_relay_ends_with_init(factory: lc.Factory, manager: socket.socket) -> None:
    config = lc.Config(notify_socket=manager.getsockname())
    with factory.create(new_id(), config) as container:
        handle = container.run(lc.Process(["sleep", "1000"]))
        (relay,) = [t for t in threading.enumerate() if "notify" in t.name]
        handle.kill()
        relay.join(10)
        assert not relay.is_alive()
        handle.wait()
        handle.close()


def test_a_manager_that_is_not_there_is_an_error(
    factory: lc.Factory, tmp_path: Path
) -> None:
    config = lc.Config(notify_socket=tmp_path / "none")
    with factory.create(new_id(), config) as container:
        with pytest.raises(lc.StepError, match="service manager") as caught:
            container.run(lc.Process(["true"]))
        assert caught.value.errno == errno.ENOENT
        assert container.status() is lc.Status.CREATING


def test_a_manager_that_goes_away_does_not_end_the_container(
    factory: lc.Factory, manager: socket.socket
) -> None:
    config = lc.Config(notify_socket=manager.getsockname())
    process = lc.Process(
        ["python3", "-c", TELL, "READY=1"], stdin=lc.PIPE, stdout=lc.PIPE
    )
    with factory.create(new_id(), config) as container:
        container.prepare(process)
        manager.close()
        container.start()
        assert container.init is not None
        with container.init as handle:
            out, _ = handle.communicate()
            # The barrier is let go all the same: its fd is closed.
            assert out == b"synced\n"
            assert handle.wait() == lc.ExitStatus(code=0)


def test_a_further_process_does_not_see_the_variable(
    factory: lc.Factory, manager: socket.socket
) -> None:
    config = lc.Config(notify_socket=manager.getsockname())
    with factory.create(new_id(), config) as container:
        container.run(lc.Process(["sleep", "1000"]))
        with container.exec(lc.Process(["env"], stdout=lc.PIPE)) as handle:
            out, _ = handle.communicate()
    assert b"NOTIFY_SOCKET" not in (out or b"NOTIFY_SOCKET")


ORDINARY = """
import attrs, socket, sys
import libcontainer as lc
from libcontainer.oneshot.wishes import default_config
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
    manager.bind("\\0libcontainer-ordinary")
    manager.settimeout(10)
    config = attrs.evolve(
        default_config(), rootfs=sys.argv[1], notify_socket="@libcontainer-ordinary"
    )
    with lc.Factory() as factory, factory.create("box", config) as container:
        with container.run(lc.Process(["sh", "-c", "ls -l $NOTIFY_SOCKET"])) as handle:
            handle.wait()
"""


@pytest.mark.needs("rootfs")
def test_an_ordinary_user_has_it_too(
    unprivileged: RunAsUser, busybox_rootfs: Path
) -> None:
    done = unprivileged(ORDINARY, str(busybox_rootfs))
    assert done.stderr == ""
    assert done.stdout.startswith("srwxrwxrwx")
