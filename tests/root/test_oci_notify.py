# SPDX-License-Identifier: Apache-2.0
"""A container that `create` has made says that it is ready; `start` waits for it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.oci_bundles import Oci, document, write
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

TELL = """
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int main(int count, char **words) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  strncpy(to.sun_path, getenv("NOTIFY_SOCKET"), sizeof to.sun_path - 1);
  for (int at = 1; at < count; at++)
    sendto(fd, words[at], strlen(words[at]), 0, (struct sockaddr *)&to, sizeof to);
  return pause();
}
"""
IDS = [{"containerID": 0, "hostID": 100000, "size": 65536}]


class Manager:
    """A service manager: it keeps what it is told and lets go of barriers."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self.told: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            data, fds, _, _ = socket.recv_fds(self._socket, 4096, 8)
            if data:
                self.told += data.decode().split("\n")
            # Whoever waits at a barrier goes on now.
            for fd in fds:
                os.close(fd)
            if not data:
                return

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.sendto(b"", self.address)
        self._thread.join(10)
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    made = Manager(tmp_path / "manager")
    monkeypatch.setenv("NOTIFY_SOCKET", made.address)
    yield made
    made.close()


def _create(oci: Oci, bundle: Path, *args: str, **linux: Any) -> str:
    content = document(*args)
    content["linux"] |= linux
    box = new_id()
    write(bundle, content)
    done = subprocess.run(
        [*oci.prefix, "create", "-b", str(bundle), box],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, oci.messages()
    return box


def _pid(oci: Oci, box: str) -> int:
    return int(json.loads(oci.said("state", box))["pid"])


@pytest.mark.needs("compiler")
@pytest.mark.parametrize("kind", ["plain", "user namespace"])
def test_start_passes_on_what_is_said_until_it_is_ready(
    oci: Oci, bundle: Path, manager: Manager, kind: str
) -> None:
    linux: dict[str, Any] = {}
    if kind != "plain":
        kinds = [*document()["linux"]["namespaces"], {"type": "user"}]
        linux = {"namespaces": kinds, "uidMappings": IDS, "gidMappings": IDS}
        for folder in (bundle, *bundle.parents[:3]):
            folder.chmod(folder.stat().st_mode | 0o011)
        os.chown(bundle / "rootfs", 100000, 100000)
    source = bundle / "tell.c"
    source.write_text(TELL)
    program = bundle / "rootfs" / "tell"
    subprocess.run(["gcc", "-static", "-o", program, source], check=True)
    words = ["STATUS=warming up", "FDSTORE=1", "MAINPID=1", "READY=1", "STATUS=late"]
    box = _create(oci, bundle, "/tell", *words, **linux)
    pid = _pid(oci, box)
    assert manager.told == []
    oci.said("start", box)
    assert manager.told == [
        *("STATUS=warming up", f"MAINPID={pid}", "READY=1", f"MAINPID={pid}"),
        "BARRIER=1",
    ]
    # What `start` has made for this is gone.
    assert list(Path(oci.prefix[-5], box, "notify").iterdir()) == []
    oci.said("delete", "--force", box)
    assert not Path(oci.prefix[-5], box).exists()


def test_start_ends_with_a_container_that_never_says_so(
    oci: Oci, bundle: Path, manager: Manager
) -> None:
    script = "echo $NOTIFY_SOCKET > /out; grep ' /run/notify ro,' /proc/mounts >> /out"
    box = _create(oci, bundle, "sh", "-c", script)
    oci.said("start", box)
    assert manager.told == []
    assert json.loads(oci.said("state", box))["status"] == "stopped"
    said = (bundle / "rootfs" / "out").read_text()
    assert said.splitlines()[0] == "/run/notify/notify.sock"
    oci.said("delete", box)


def test_start_is_not_held_up_without_a_manager(
    oci: Oci, bundle: Path, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = _create(oci, bundle, "sleep", "1000")
    monkeypatch.delenv("NOTIFY_SOCKET")
    oci.said("start", box)
    oci.said("delete", "--force", box)


def test_nothing_starts_for_a_manager_that_is_not_there(
    oci: Oci, bundle: Path, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = _create(oci, bundle, "sleep", "1000")
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address + ".gone")
    done = oci("start", box)
    assert (done.returncode, done.stdout) == (1, "")
    assert json.loads(oci.said("state", box))["status"] == "created"
    oci.said("delete", "--force", box)


def test_a_start_that_is_killed_leaves_nothing_that_stops_delete(
    oci: Oci, bundle: Path, manager: Manager
) -> None:
    box = _create(oci, bundle, "sleep", "1000")
    waiting = subprocess.Popen([*oci.prefix, "start", box])
    folder = Path(oci.prefix[-5], box, "notify")
    deadline = time.monotonic() + 20
    while json.loads(oci.said("state", box))["status"] != "running":
        assert time.monotonic() < deadline
    waiting.send_signal(signal.SIGKILL)
    waiting.wait()
    assert [path.name for path in folder.iterdir()] == ["notify.sock"]
    oci.said("delete", "--force", box)
    assert not folder.parent.exists()
