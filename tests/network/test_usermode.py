# SPDX-License-Identifier: Apache-2.0
"""User-mode networks: programs beside the container that carry what it sends."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.bindings.unshare import unshare
from libcontainer.network.contract import check_strategy
from tests.conftest import in_roots_home
from tests.network.conftest import OUTSIDE, OUTSIDE6, links, outside, sh

pytestmark = pytest.mark.needs("root", "rootfs", "tun", "pasta", "slirp4netns")

Make = Callable[..., Any]
CLONE_NEWNS = 0x20000
BOTH = pytest.mark.parametrize("kind", [lc.Pasta, lc.Slirp4netns])
WITH_USER: dict[str, Any] = {
    "namespaces": [*lc.Config().namespaces, "user"],
    "uid_mappings": [lc.IdMapping(0, 100000, 65536)],
    "gid_mappings": [lc.IdMapping(0, 100000, 65536)],
}
GATEWAYS = {"pasta": OUTSIDE, "slirp4netns": "10.0.2.2"}
# Waits for what is said to it, with an input that does not end: this pasta may lose
# what comes after the end of one side.
HEAR = "mkfifo /dev/end 2>/dev/null; timeout 20 nc -w5 {} 7000 <>/dev/end"
SAY = (
    sys.executable,
    "-c",
    "import socket, sys\n"
    "family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET\n"
    "with socket.create_server((sys.argv[1], 7000), family=family) as server:\n"
    "    print('ready', flush=True)\n"
    "    server.accept()[0].sendall(b'hello from outside')\n",
)


@contextlib.contextmanager
def routed() -> Iterator[list[str]]:
    """An outside that the host has its default routes to."""
    with outside() as there:
        sh("ip", "route", "add", "default", "via", OUTSIDE)
        sh("ip", "-6", "route", "add", "default", "via", OUTSIDE6)
        yield there


@contextlib.contextmanager
def saying(there: list[str], address: str) -> Iterator[None]:
    """Something outside that greets the first who comes."""
    command = [*there, *SAY, address]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            assert server.stdout.readline() == b"ready\n"
            yield
        finally:
            server.kill()


def companions(container: Any) -> list[int]:
    """Pids of the companions of a container that have not ended."""
    found = []
    for record in container.state().companions:
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{record.host_pid}/stat").read_text()
            if text.rpartition(")")[2].split()[0] != "Z":
                found.append(record.host_pid)
    return found


@BOTH
@pytest.mark.parametrize("fields", [{}, WITH_USER], ids=["root", "user"])
def test_what_is_sent_reaches_the_outside(
    box: Make, gone: Make, kind: Any, fields: dict[str, Any]
) -> None:
    with routed() as there:
        one = box(kind(name="lan0"), **fields)
        assert len(companions(one.container)) == 2
        with saying(there, OUTSIDE):
            assert one.sh(HEAR.format(OUTSIDE)) == "hello from outside"
        assert "lan0" in one.sh("ip route | grep default")
        gone(one)


def test_pasta_has_ipv6(box: Make, gone: Make) -> None:
    with routed() as there:
        one = box(lc.Pasta())
        with saying(there, OUTSIDE6):
            # Whether an address is somebody else's already takes a second to ask.
            one.sh("while ip -6 addr | grep -q tentative; do sleep 0.1; done")
            assert one.sh(HEAR.format(OUTSIDE6)) == "hello from outside"
        gone(one)


@BOTH
def test_the_loopback_of_the_host_is_reached_only_if_asked_for(
    box: Make, gone: Make, kind: Any
) -> None:
    gateway = GATEWAYS[kind.kind]
    script = HEAR.format(gateway).replace("7000", "7001")
    with routed(), socket.create_server(("127.0.0.1", 7001)) as server:
        server.settimeout(10)
        closed, opened = box(kind()), box(kind(host_loopback=True))
        closed.sh(script, expect=None)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
        server.settimeout(10)
        # No port of the host's loopback is listened for inside either.
        closed.sh("nc -w1 127.0.0.1 7001 </dev/null", expect=1)
        process = opened.container.exec(
            lc.Process(["sh", "-c", script], stdout=lc.PIPE)
        )
        connection, _ = server.accept()
        connection.sendall(b"hello from the host")
        connection.close()
        assert process.communicate()[0] == b"hello from the host"
        process.wait()
        gone(closed, opened)


@BOTH
def test_a_published_port_leads_into_the_container(
    box: Make, gone: Make, kind: Any
) -> None:
    fetch = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read())"
    with routed() as there:
        one = box(kind(ports=[lc.Port(host=8080, container=80)]))
        one.sh("mkdir -p /www; echo hello >/www/index.html; httpd -p 80 -h /www")
        url = "http://203.0.113.1:8080/"
        assert sh(*there, sys.executable, "-c", fetch, url) == "b'hello\\n'\n"
        assert not list(Path("/tmp").glob("libcontainer-*/api"))
        gone(one)


@BOTH
def test_a_port_that_is_taken_is_an_error(box: Make, kind: Any) -> None:
    network = kind(ports=[lc.Port(host=8080, container=80)])
    with (
        routed(),
        socket.create_server(("0.0.0.0", 8080)),
        pytest.raises(lc.NetworkError, match="8080"),
    ):
        box(network)


@BOTH
def test_it_ends_when_the_container_does(box: Make, gone: Make, kind: Any) -> None:
    with routed():
        one = box(kind())
        assert len(companions(one.container)) == 2
        one.init.kill()
        one.init.wait()
        deadline = time.monotonic() + 10
        while companions(one.container) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert companions(one.container) == []
        gone(one)


@BOTH
def test_it_keeps_the_contract(factory: lc.Factory, kind: Any) -> None:
    def survey() -> object:
        return links(), sorted(Path("/tmp").glob("libcontainer-*/api"))

    with routed():
        check_strategy(kind(), factory, survey)


@BOTH
def test_it_has_no_descriptor_of_the_caller(box: Make, gone: Make, kind: Any) -> None:
    with routed(), open("/etc/passwd") as secret:
        os.set_inheritable(secret.fileno(), True)
        before = Path("/proc/net/unix").read_text()
        one = box(kind(ports=[lc.Port(host=8080, container=80)]))
        for pid in companions(one.container):
            folder = f"/proc/{pid}/fd"
            targets = [os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder)]
            assert not [t for t in targets if "passwd" in t or "gate" in t]
            assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
        # None of its sockets can be reached by a name.
        new = set(Path("/proc/net/unix").read_text().split()) - set(before.split())
        assert not [word for word in new if word.startswith("@")]
        gone(one)


def test_what_is_not_installed_is_told(
    box: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(lc.UnsupportedError, match="of the package passt"):
        box(lc.Pasta())


def test_what_the_program_says_is_in_the_error(box: Make) -> None:
    # Without a route pasta knows no address to give.
    with pytest.raises(lc.NetworkError, match=r"the program says: .*[Nn]o"):
        box(lc.Pasta())


CRASH = """
import os, signal, sys
import libcontainer as lc
from libcontainer.host.companions import Companions

start = Companions.start
def start_and_die(self, companion, init):
    start(self, companion, init)
    print(*(record.host_pid for record in self.records), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
Companions.start = start_and_die

with lc.Factory(sys.argv[1]) as factory:
    config = lc.Config(networks=[lc.Slirp4netns()])
    factory.create("crash", config).run(lc.Process(["sleep", "1000"]))
"""


def test_a_caller_that_is_killed_leaves_no_program(
    factory: lc.Factory, state_root: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CRASH, str(state_root)],
        capture_output=True,
        text=True,
        check=False,
    )
    pids = done.stdout.split()
    assert len(pids) == 2, done.stderr
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}/exe").exists() for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for container in factory.list():
        container.delete(force=True)


ROOTLESS = """
import json, os, sys
import libcontainer as lc

ports = [lc.Port(host=8080, container=80)] if sys.argv[3] == "ports" else []
network = getattr(lc, sys.argv[1])(ports=ports)
spaces = [*lc.Config().namespaces, "user"]
with lc.Factory() as factory:
    config = lc.Config(
        rootfs=lc.Overlay(sys.argv[2]), networks=[network], namespaces=spaces,
        uid_mappings=[lc.IdMapping(0, os.getuid(), 1)],
        gid_mappings=[lc.IdMapping(0, os.getgid(), 1)],
    )
    with factory.create("rootless", config) as container:
        script = "mkfifo /dev/end; timeout 20 nc -w5 203.0.113.9 7000 <>/dev/end"
        process = lc.Process(["sh", "-c", script], stdout=lc.PIPE, stderr=lc.STDOUT)
        handle = container.run(process)
        pids = [record.host_pid for record in container.state().companions]
        out, _ = handle.communicate()
        handle.wait()
    print(json.dumps([out.decode(), [os.path.exists(f"/proc/{p}/exe") for p in pids]]))
"""


def open_to_users(folder: Path) -> None:
    """Let users reach the tun device and this interpreter, for this thread alone."""
    unshare(CLONE_NEWNS)
    sh("mount", "--make-rprivate", "/")
    tun = folder / "tun"
    os.mknod(tun, 0o666 | stat.S_IFCHR, os.makedev(10, 200))
    tun.chmod(0o666)
    sh("mount", "--bind", str(tun), "/dev/net/tun")
    kept = {folder / f"kept{n}": path for n, path in enumerate(in_roots_home())}
    for place, path in kept.items():
        place.mkdir()
        sh("mount", "--bind", str(path), str(place))
    if kept:
        sh("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/root")
    for place, path in kept.items():
        path.mkdir(parents=True, exist_ok=True)
        sh("mount", "--bind", str(place), str(path))


@BOTH
@pytest.mark.parametrize("ports", ["ports", "none"])
@pytest.mark.needs("userns")
def test_a_caller_without_privilege(
    unprivileged: Make, kind: Any, busybox_rootfs: Path, tmp_path: Path, ports: str
) -> None:
    open_to_users(tmp_path)
    with routed() as there, saying(there, OUTSIDE):
        done = unprivileged(ROOTLESS, kind.__name__, str(busybox_rootfs), ports)
    assert done.returncode == 0, done.stderr
    out, alive = json.loads(done.stdout)
    assert out == "hello from outside"
    assert alive == [False, False]
