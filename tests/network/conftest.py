# SPDX-License-Identifier: Apache-2.0
"""Each test here is its own host: it runs in a network namespace made for it.

A namespace is of a thread, so the test runs in a thread that ends with it. At
its end nothing but ``lo`` may be there, and no nftables table.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.bindings.unshare import unshare

CLONE_NEWNET = 0x40000000
BRIDGE: dict[str, Any] = {
    "bridge": "lcbr0",
    "create_bridge": True,
    "bridge_addresses": ["10.9.0.1/24", "fd09::1/64"],
}


def sh(*args: str, **wishes: Any) -> str:
    """Run a program on the host of the test; return what it says."""
    done = subprocess.run(args, capture_output=True, text=True, check=False, **wishes)
    assert done.returncode == 0, (args, done.stdout, done.stderr)
    return done.stdout


def links() -> list[str]:
    """The links of the host of the test."""
    return sorted(link["ifname"] for link in json.loads(sh("ip", "-j", "link")))


def tables() -> str:
    """The nftables rules of the host of the test."""
    return sh("nft", "list", "ruleset")


def veth(number: int, **wishes: Any) -> lc.Veth:
    """A network on the bridge of the tests, address .number."""
    return lc.Veth(
        **{
            **BRIDGE,
            "addresses": [f"10.9.0.{number}/24", f"fd09::{number}/64"],
            "gateways": ["10.9.0.1", "fd09::1"],
            **wishes,
        }
    )


OUTSIDE = "203.0.113.9"
OUTSIDE6 = "2001:db8::9"


@contextlib.contextmanager
def outside() -> Iterator[list[str]]:
    """A third namespace beyond the host; yields the prefix of programs there.

    It has no route to the containers: only what has the host's address is
    answered.
    """
    process = subprocess.Popen(["unshare", "--net", "sleep", "1000"])
    try:
        own = Path("/proc/thread-self/ns/net").readlink()
        there = Path(f"/proc/{process.pid}/ns/net")
        while there.readlink() == own:
            time.sleep(0.01)
        enter = ["nsenter", "-t", str(process.pid), "-n"]
        peer = ("type", "veth", "peer", "name", "out", "netns", str(process.pid))
        sh("ip", "link", "add", "wan", *peer)
        sh("ip", "link", "set", "wan", "up")
        sh("ip", "addr", "add", "203.0.113.1/24", "dev", "wan")
        sh("ip", "addr", "add", "2001:db8::1/64", "dev", "wan", "nodad")
        sh(*enter, "ip", "link", "set", "lo", "up")
        sh(*enter, "ip", "link", "set", "out", "up")
        sh(*enter, "ip", "addr", "add", f"{OUTSIDE}/24", "dev", "out")
        sh(*enter, "ip", "addr", "add", f"{OUTSIDE6}/64", "dev", "out", "nodad")
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1")
        yield enter
    finally:
        process.kill()
        process.wait()
        for _ in range(500):
            if "wan" not in links():
                break
            time.sleep(0.01)


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool:
    """Run a test in a thread with a network namespace of its own."""
    wanted = pyfuncitem._fixtureinfo.argnames
    values = {name: pyfuncitem.funcargs[name] for name in wanted}
    errors: list[BaseException] = []

    def run() -> None:
        try:
            unshare(CLONE_NEWNET)
            sh("ip", "link", "set", "lo", "up")
            pyfuncitem.obj(**values)
            assert links() == ["lo"]
            assert tables() == ""
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return True


Enter = Callable[..., lc.Result]


class Box:
    """A running container, and what is said in it."""

    def __init__(self, container: lc.Container, init: lc.ProcessHandle) -> None:
        self.container, self.init = container, init

    def sh(self, script: str, expect: int | None = 0) -> str:
        """Run a shell script in it; return what it says."""
        process = self.container.exec(
            lc.Process(["sh", "-c", script], stdout=lc.PIPE, stderr=lc.STDOUT)
        )
        out, _ = process.communicate()
        code = process.wait().code
        process.close()
        text = (out or b"").decode()
        assert expect is None or code == expect, (script, code, text)
        return text


@pytest.fixture
def box(factory: lc.Factory, busybox_rootfs: Path) -> Iterator[Callable[..., Box]]:
    """Make running containers, deleted at the end of the test's own block."""
    made: list[lc.Container] = []

    def make(*networks: Any, **fields: Any) -> Box:
        fields.setdefault("rootfs", lc.Overlay(str(busybox_rootfs)))
        config = lc.Config(networks=networks, **fields)
        container = factory.create(f"net-{len(made)}", config)
        made.append(container)
        return Box(container, container.run(lc.Process(["sleep", "1000"])))

    yield make
    for container in made:
        container.delete(force=True)


@pytest.fixture
def factory(state_root: Path) -> Iterator[lc.Factory]:
    """A factory of its own, empty again at the end."""
    state_root.chmod(0o700)
    with lc.Factory(state_root) as made:
        yield made
        assert made.list() == []


@pytest.fixture
def gone() -> Callable[..., None]:
    """Delete boxes in the thread of the test."""

    def delete(*boxes: Box) -> None:
        for one in boxes:
            one.container.delete(force=True)

    return delete
