# SPDX-License-Identifier: Apache-2.0
"""Packets of a container carry its class and its priority: net_cls, net_prio.

The hierarchy is mounted for the test alone, in a mount namespace of its own. The
kernel keeps priorities for links of the first network namespace, so the container
has that one; a table of nftables of the test's own counts there.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import leaks

pytestmark = pytest.mark.needs("root", "rootfs", "net_cls")

CLASS = 0x0010_0001
TABLE = f"lc-test-{os.getpid()}"

PROGRAM = """
import json, subprocess, sys
import libcontainer as lc

rootfs, state, strategy, class_id, priority = sys.argv[1:]
limits = lc.Resources(net_cls_classid=int(class_id), net_prio={"lo": int(priority)})
view = lc.Mount.from_options("cgroup", "cgroup", "/sys/fs/cgroup", ["ro"])
config = lc.Config(
    rootfs=lc.Overlay(rootfs),
    namespaces=lc.Config().namespaces - {lc.NamespaceType.NETWORK},
    mounts=[view],
    resources=limits,
)
SEND = "nc -w 1 127.0.0.1 9 2>/dev/null </dev/null; "  # a SYN, to nobody
READ = "cd /sys/fs/cgroup/net_cls,net_prio; cat net_cls.classid net_prio.ifpriomap"

def out(process):
    with process:
        return process.communicate()[0].decode().split()

with lc.Factory(state, cgroups=strategy) as factory:
    with factory.create("box", config) as box:
        box.run(lc.Process(["sleep", "1000"]))
        name, home = next(
            (key, path) for key, path in box.state().cgroup.items() if "net_cls" in key
        )
        inside = out(box.exec(lc.Process(["sh", "-c", SEND + READ], stdout=lc.PIPE)))
        said = {
            "name": name,
            "inside": inside,
            "classid": open(f"{home}/net_cls.classid").read().strip(),
            "map": open(f"{home}/net_prio.ifpriomap").read().splitlines(),
            "property": box.properties("net_cls")["class_id"],
        }
        box.update(lc.Resources(net_cls_classid=7))
        said["later"] = open(f"{home}/net_cls.classid").read().strip()
        try:
            box.update(lc.Resources(net_cls_classid=8, net_prio={"absent0": 1}))
        except lc.CgroupError as error:
            said["refusal"] = str(error)
        said["kept"] = open(f"{home}/net_cls.classid").read().strip()
print(json.dumps(said))
"""

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path, state_root: Path, busybox_rootfs: Path) -> Iterator[Run]:
    """Run a container where the two controllers are mounted, say what was seen."""
    state_root.chmod(0o700)
    mount = 'mkdir -p $0 && mount -t cgroup -o net_cls,net_prio none $0 && exec "$@"'

    def go(strategy: str, priority: int) -> dict[str, Any]:
        words = [str(busybox_rootfs), str(state_root), strategy, str(CLASS)]
        program = [sys.executable, "-c", PROGRAM, *words, str(priority)]
        place = str(tmp_path / "net_cls,net_prio")
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", mount, place, *program],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, leaks.SUPERVISOR: os.environ[leaks.SUPERVISOR]},
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    yield go
    _let_go(tmp_path / "again")


def _let_go(place: Path) -> None:
    """Let the kernel have the hierarchy back: it stays while a cgroup is dying."""
    again = "mkdir -p $0 && mount -t cgroup -o net_cls,net_prio none $0"
    deadline = time.monotonic() + 30
    while not re.search(
        r"^net_cls\t0\t", Path("/proc/cgroups").read_text(), re.MULTILINE
    ):
        assert time.monotonic() < deadline
        words = ["unshare", "--mount", "sh", "-c", again, str(place)]
        subprocess.run(words, check=True)
        time.sleep(0.1)


@pytest.fixture
def counted() -> Iterator[Callable[[], dict[str, int]]]:
    """Count packets of the class that are made, and of the priority that leave."""
    hooks = {
        "inet": ("hook output", f"meta cgroup {CLASS}"),
        "netdev": ('hook egress device "lo"', "meta priority 0:5"),
    }
    rules = ""
    for family, (hook, what) in hooks.items():
        chain = f"type filter {hook} priority 0; {what} counter;"
        rules += f"table {family} {TABLE} {{\nchain out {{ {chain}\n}}\n}}\n"
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)

    def read() -> dict[str, int]:
        found = {}
        for family in ("inet", "netdev"):
            command = ["nft", "-j", "list", "table", family, TABLE]
            text = subprocess.run(command, capture_output=True, check=True).stdout
            rules = [r["rule"] for r in json.loads(text)["nftables"] if "rule" in r]
            (counter,) = (e["counter"] for e in rules[0]["expr"] if "counter" in e)
            found[family] = counter["packets"]
        return found

    try:
        yield read
    finally:
        for family in ("inet", "netdev"):
            subprocess.run(["nft", "delete", "table", family, TABLE], check=True)


@pytest.mark.needs("nft")
@pytest.mark.parametrize("strategy", ["auto", "hybrid"])
def test_packets_have_the_class_and_the_priority_of_their_container(
    run: Run, counted: Callable[[], dict[str, int]], strategy: str
) -> None:
    assert counted() == {"inet": 0, "netdev": 0}
    said = run(strategy, 5)
    assert said["classid"] == str(CLASS)
    assert "lo 5" in said["map"]
    # From inside: its own cgroup, and no other.
    assert said["inside"][0] == str(CLASS)
    assert said["inside"][1:3] == ["lo", "5"]
    assert said["property"] == CLASS
    assert counted()["inet"] >= 1
    assert counted()["netdev"] >= 1


def test_the_class_changes_live_or_not_at_all(run: Run) -> None:
    said = run("auto", 0)
    assert said["later"] == "7"
    assert "net_prio.ifpriomap" in said["refusal"]
    assert "ENODEV" in said["refusal"]
    assert said["kept"] == "7"
