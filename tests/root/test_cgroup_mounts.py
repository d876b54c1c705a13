# SPDX-License-Identifier: Apache-2.0
"""A mount of type ``cgroup`` shows the container's own cgroup, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

import libcontainer as lc
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs", "cgroup1")

IDS = [lc.IdMapping(0, 100000, 65536)]
KINDS = ("mount", "pid", "network", "ipc", "uts")


def _run(
    factory: lc.Factory, rootfs: Path, script: str, *kinds: str, word: str
) -> list[str]:
    fields = {}
    if "user" in kinds:
        fields = {"uid_mappings": IDS, "gid_mappings": IDS}
    mount = lc.Mount.from_options("cgroup", "cgroup", "/sys/fs/cgroup", [word])
    config = lc.Config(
        rootfs=lc.Overlay(str(rootfs), idmap=lc.IdMap() if fields else None),
        namespaces=[*KINDS, *kinds],
        mounts=[mount],
        resources=lc.Resources(pids=77),
        **fields,
    )
    with factory.create(new_id(), config) as box:
        args = ["sh", "-c", script]
        process = box.run(lc.Process(args, stdout=lc.PIPE, stderr=lc.STDOUT))
        with process:
            out, _ = process.communicate()
    return (out or b"").decode().splitlines()


@pytest.mark.parametrize(
    "kinds", [(), ("cgroup",), ("user",), ("user", "cgroup")], ids="-".join
)
def test_it_shows_the_containers_own_limit(
    factory: lc.Factory, busybox_rootfs: Path, kinds: tuple[str, ...]
) -> None:
    script = "cat /sys/fs/cgroup/pids/pids.max; cat /sys/fs/cgroup/pids/cgroup.procs"
    limit, *pids = _run(factory, busybox_rootfs, script, *kinds, word="rw")
    assert limit == "77"
    assert pids[0] == "1"


@pytest.mark.parametrize("kinds", [(), ("cgroup",)], ids=["shared", "own"])
def test_it_is_writable_only_if_that_is_asked(
    factory: lc.Factory, busybox_rootfs: Path, kinds: tuple[str, ...]
) -> None:
    script = "mkdir /sys/fs/cgroup/pids/sub && echo made"
    assert _run(factory, busybox_rootfs, script, *kinds, word="rw") == ["made"]
    (refused,) = _run(factory, busybox_rootfs, script, *kinds, word="ro")
    assert "Read-only file system" in refused


def test_no_other_can_be_reached(factory: lc.Factory, busybox_rootfs: Path) -> None:
    script = "find /sys/fs/cgroup/pids -type d"
    assert _run(factory, busybox_rootfs, script, word="rw") == ["/sys/fs/cgroup/pids"]
    script = "awk '/ - cgroup / && $4 !~ /libcontainer-/' /proc/self/mountinfo"
    assert _run(factory, busybox_rootfs, script, word="rw") == []
