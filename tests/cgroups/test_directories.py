# SPDX-License-Identifier: Apache-2.0
"""What is done with directories and files of a cgroup, on a folder that plays one."""

from __future__ import annotations

from pathlib import Path

import pytest

import libcontainer as lc
from libcontainer.cgroups.directories import is_below, members
from libcontainer.cgroups.freezer import Freezer, is_frozen
from libcontainer.cgroups.group import Group
from libcontainer.cgroups.hierarchy import Hierarchies, Hierarchy
from libcontainer.cgroups.making import enable_controllers
from libcontainer.cgroups.strategy import Cgroupfs, HybridCgroups
from libcontainer.cgroups.writes import AnyOf, AtMost, Confirmed, Write
from libcontainer.plan.unified import UNIFIED

V1 = tuple(Hierarchy(n, f"/sys/fs/cgroup/{n}", "/own") for n in ("memory", "pids"))
BESIDE = Hierarchy(UNIFIED, "/sys/fs/cgroup/unified", "/own")
ALONE = Hierarchy(UNIFIED, "/sys/fs/cgroup", "/")


def v2(path: Path, controllers: str, enabled: str = "") -> Path:
    path.mkdir(exist_ok=True)
    (path / "cgroup.procs").write_text("")
    (path / "cgroup.controllers").write_text(controllers)
    (path / "cgroup.subtree_control").write_text(enabled)
    return path


@pytest.mark.parametrize(
    ("path", "ancestor", "below"),
    [
        ("/a/ctr/x", "/a/ctr", True),
        ("/a/ctr", "/a/ctr", True),
        ("/a/ctr/", "/a/ctr", True),
        ("/a/ctr-evil", "/a/ctr", False),
        ("/a", "/a/ctr", False),
        ("/x", "/", True),
    ],
)
def test_paths_are_compared_by_whole_names(
    path: str, ancestor: str, below: bool
) -> None:
    assert is_below(path, ancestor) is below


def test_controllers_are_given_from_the_top(tmp_path: Path) -> None:
    top = v2(tmp_path / "top", "cpu memory")
    low = v2(top / "low", "")
    enable_controllers(str(low))
    # A file keeps what is written to it one by one; the kernel would add.
    assert (top / "cgroup.subtree_control").read_text() == "+cpu+memory"
    assert (low / "cgroup.subtree_control").read_text() == ""


def test_what_is_enabled_is_left_alone(tmp_path: Path) -> None:
    top = v2(tmp_path / "top", "cpu memory", "cpu memory")
    (top / "cgroup.subtree_control").chmod(0o444)
    enable_controllers(str(top))
    assert (top / "cgroup.subtree_control").read_text() == "cpu memory"


def test_a_value_that_the_kernel_does_not_keep_is_an_error(tmp_path: Path) -> None:
    group = Group({UNIFIED: str(tmp_path)})
    (tmp_path / "cgroup.controllers").write_text("cpuset")
    # /dev/full's like: a file that forgets.
    (tmp_path / "cpuset.cpus.partition").symlink_to("/dev/null")
    with pytest.raises(lc.CgroupError, match="ELOOP"):
        group.write([Confirmed("cpuset", "cpuset.cpus.partition", "root")])
    (tmp_path / "cpuset.cpus.partition").unlink()
    (tmp_path / "cpuset.cpus.partition").write_text("member-and-more")
    with pytest.raises(lc.CgroupError, match="EINVAL") as caught:
        group.write([Confirmed("cpuset", "cpuset.cpus.partition", "root")])
    assert caught.value.hint == "the kernel says: rooter-and-more"


def test_a_look_refuses_what_is_in_use(tmp_path: Path) -> None:
    group = Group({UNIFIED: str(tmp_path)})
    (tmp_path / "memory.current").write_text("100\n")
    group.write([AtMost("memory", "memory.current", "100")])
    with pytest.raises(lc.CgroupError, match="rejecting memory limit 99 < usage 100"):
        group.write([AtMost("memory", "memory.current", "99")])
    with pytest.raises(lc.CgroupError, match=r"rejecting memory\+swap limit 99"):
        group.write([AtMost("memory", "memory.current", "99", what="memory+swap")])
    # A look has nothing to take back.
    assert group.read([AtMost("memory", "memory.current", "1")]) == ()


def test_a_missing_file_says_which_controller_is_missing(tmp_path: Path) -> None:
    group = Group({UNIFIED: str(tmp_path)})
    (tmp_path / "cgroup.controllers").write_text("pids")
    with pytest.raises(lc.CgroupError) as caught:
        group.write([Write("memory", "memory.max", "5")])
    assert "memory controller is not given to this cgroup" in (caught.value.hint or "")
    with pytest.raises(lc.CgroupError) as caught:
        group.write([Write("pids", "pids.new", "5")])
    assert caught.value.hint == "this kernel has no pids.new"


def test_v2_freezes_if_it_is_there(tmp_path: Path) -> None:
    assert Freezer.of({"freezer": "/f", UNIFIED: "/u"}) == Freezer("/u", unified=True)
    assert Freezer.of({"cpu,freezer": "/f"}) == Freezer("/f", unified=False)
    with pytest.raises(lc.CgroupError, match="ENOENT"):
        Freezer.of({"cpu": "/c"})
    (tmp_path / "cgroup.events").write_text("populated 0\nfrozen 1\n")
    assert is_frozen(UNIFIED, str(tmp_path))
    assert not is_frozen(UNIFIED, "/nowhere")


def test_members_of_nothing_are_nobody(tmp_path: Path) -> None:
    assert members(str(tmp_path / "gone")) == []
    (tmp_path / "cgroup.procs").write_text("3\n0\n")
    assert members(str(tmp_path)) == [3, 0]


@pytest.mark.parametrize(
    ("path", "memory", "unified"),
    [
        (None, "/sys/fs/cgroup/memory/own/libcontainer-x", "/libcontainer-x"),
        ("/a/b", "/sys/fs/cgroup/memory/a/b", "/a/b"),
        ("a/b", "/sys/fs/cgroup/memory/own/a/b", "/a/b"),
    ],
)
def test_a_path_is_absolute_relative_or_the_default(
    path: str | None, memory: str, unified: str
) -> None:
    config = lc.Config(cgroups_path=path)
    old = Cgroupfs(Hierarchies(V1, BESIDE)).place("x", config)
    assert old.paths["memory"] == memory
    assert set(old.paths) == {"memory", "pids"}
    new = Cgroupfs(Hierarchies((), ALONE)).place("x", config)
    assert new.paths == {UNIFIED: f"/sys/fs/cgroup{unified}"}
    both = HybridCgroups(Hierarchies(V1, BESIDE)).place("x", config)
    assert set(both.paths) == {"memory", "pids", UNIFIED}
    assert both.unit is None


def test_a_hierarchy_of_packets_beside_v2_is_used_only_if_it_is_asked_for() -> None:
    packets = Hierarchy("net_cls,net_prio", "/mnt/net", "/")
    found = Hierarchies((packets,), ALONE)
    for strategy in (Cgroupfs(found), HybridCgroups(found)):
        bare = strategy.place("x", lc.Config(resources=lc.Resources(memory="64M")))
        assert set(bare.paths) == {UNIFIED}
        for limits in (
            lc.Resources(net_cls_classid=0),
            lc.Resources(net_prio={"lo": 1}),
        ):
            asked = strategy.place("x", lc.Config(resources=limits))
            assert asked.paths["net_cls,net_prio"] == "/mnt/net/libcontainer-x"
            assert asked.paths[UNIFIED] == "/sys/fs/cgroup/libcontainer-x"


def test_a_path_for_systemd_is_refused_by_who_makes_directories() -> None:
    config = lc.Config(cgroups_path="a.slice:b:c")
    with pytest.raises(lc.UnsupportedError, match="systemd"):
        Cgroupfs(Hierarchies((), ALONE)).place("x", config)


def test_of_several_names_one_must_be_there(tmp_path: Path) -> None:
    group = Group({"blkio": str(tmp_path)})
    write = AnyOf("blkio", "new", "5", others=(Write("blkio", "old", "6"),))
    with pytest.raises(lc.CgroupError, match="ENOENT"):
        group.write([write])
    for names in (["old"], ["new"], ["old", "new"]):
        for name in names:
            (tmp_path / name).write_text("")
        group.write([write])
        found = {path.name: path.read_text() for path in tmp_path.iterdir()}
        assert found == {n: {"new": "5", "old": "6"}[n] for n in names}
        for name in names:
            (tmp_path / name).unlink()
