# SPDX-License-Identifier: Apache-2.0
"""Who may make cgroups in a container's own, in the v2 hierarchy alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

import libcontainer as lc
from libcontainer.cgroups.hierarchy import read_hierarchies
from libcontainer.cgroups.strategy import Cgroupfs
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs", "cgroup2")

Make = Callable[..., lc.Container]
WRITABLE = lc.Mount(destination="/sys/fs/cgroup", type="cgroup")
OWNER = 200000
USER: dict[str, Any] = {
    "namespaces": {*lc.Config().namespaces, "user"},
    "uid_mappings": [lc.IdMapping(0, OWNER, 65536)],
    "gid_mappings": [lc.IdMapping(0, OWNER, 65536)],
}
# Its own limit stays the host's, also where the cgroup is the container's.
TRY = (
    "cd /sys/fs/cgroup; mkdir own && echo 0 > own/cgroup.procs;"
    " grep ^0: /proc/self/cgroup; echo 5 > cgroup.max.depth || echo refused"
)


@pytest.fixture
def make(state_root: Path, busybox_rootfs: Path) -> Iterator[Make]:
    """Make a container; keywords are fields of its configuration."""
    state_root.chmod(0o700)
    strategy = Cgroupfs(evolve(read_hierarchies(), v1=()))
    with lc.Factory(state_root, cgroups=strategy) as factory:

        def create(**fields: Any) -> lc.Container:
            fields = {"rootfs": lc.Overlay(str(busybox_rootfs)), **USER, **fields}
            return factory.create(new_id(), lc.Config(**fields))

        yield create
        assert factory.list() == []


def tried(box: lc.Container) -> list[str]:
    program = lc.Process(["sh", "-c", TRY], stdout=lc.PIPE, stderr=lc.DEVNULL)
    with box.run(program) as process:
        return (process.communicate()[0] or b"").decode().split()


def owner(box: lc.Container, file: str = "") -> int:
    return Path(box.state().cgroup[""], file).stat().st_uid


def test_the_root_of_a_user_namespace_gets_its_cgroup(make: Make) -> None:
    with make(mounts=[WRITABLE]) as box:
        assert tried(box) == ["0::/own", "refused"]
        assert owner(box) == owner(box, "cgroup.procs") == OWNER
        assert owner(box, "cgroup.subtree_control") == OWNER
        assert owner(box, "cgroup.max.depth") == owner(box, "cgroup.freeze") == 0


def test_who_may_only_look_is_given_nothing(make: Make) -> None:
    read_only = evolve(WRITABLE, attrs=lc.MountAttr.RDONLY)
    with make(mounts=[read_only]) as box:
        assert tried(box) == ["0::/", "refused"]
        assert owner(box) == owner(box, "cgroup.procs") == 0


def test_who_has_no_mount_of_it_is_given_nothing(make: Make) -> None:
    with make() as box:
        box.run(lc.Process(["true"])).wait()
        assert owner(box) == owner(box, "cgroup.procs") == 0


def test_who_shares_the_cgroup_namespace_is_given_nothing(make: Make) -> None:
    shared = USER["namespaces"] - {lc.NamespaceType.CGROUP}
    with make(mounts=[WRITABLE], namespaces=shared) as box:
        box.run(lc.Process(["true"])).wait()
        assert owner(box) == owner(box, "cgroup.procs") == 0
