# SPDX-License-Identifier: Apache-2.0
"""How mounts of a configuration are planned, without a kernel."""

from __future__ import annotations

import pytest
from attrs import evolve

from libcontainer.config import (
    Config,
    Directory,
    IdMap,
    IdMapping,
    Mount,
    NamespaceType,
    Overlay,
)
from libcontainer.errors import UnsupportedError
from libcontainer.plan import Facts, Plan, ops
from libcontainer.plan.change import (
    MS_PRIVATE,
    MS_SHARED,
    MS_SLAVE,
    Change,
    bind_changes,
)
from libcontainer.plan.mountlist import late_mounts, ordered_mounts
from libcontainer.plan.steps import MakeCgroup, OpenCgroup, OpenTree
from tests.plan.samples import PRIVILEGED, SINGLE_ID, UNPRIVILEGED, create

RANGE = (IdMapping(0, 1000, 10),)
ATIME = 0x70


COPIED = Mount.from_options("tmpfs", "t", "/y", ["tmpcopyup"])


def bind(*words: str) -> Mount:
    return Mount.from_options("bind", "/s", "/x", words)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["bind"], [Change(0, 0, MS_PRIVATE)]),
        (["bind", "ro", "rnosuid"], [Change(3, 0, MS_PRIVATE)]),
        (["bind", "suid"], [Change(0, 2, MS_PRIVATE)]),
        (["bind", "rro", "rw"], [Change(0, 1, MS_PRIVATE)]),
        (["bind", "noatime"], [Change(0x10, ATIME, MS_PRIVATE)]),
        (["bind", "relatime"], [Change(0, ATIME, MS_PRIVATE)]),
        (["bind", "nodiratime"], [Change(0x80, 0, MS_PRIVATE)]),
        (["rbind"], [Change(0, 0, MS_PRIVATE, recursive=True)]),
        (["rbind", "rro"], [Change(1, 0, MS_PRIVATE, recursive=True)]),
        (
            ["rbind", "ro"],
            [Change(0, 0, MS_PRIVATE, recursive=True), Change(1)],
        ),
        (["rbind", "rslave"], [Change(0, 0, MS_SLAVE, recursive=True)]),
        (
            ["rbind", "private"],
            [Change(0, 0, MS_SLAVE, recursive=True), Change(0, 0, MS_PRIVATE)],
        ),
        (["rbind", "shared"], [Change(0, 0, MS_SHARED)]),
        (["rbind", "rshared"], [Change(0, 0, MS_SHARED, recursive=True)]),
    ],
)
def test_what_is_changed_of_a_bind(words: list[str], expected: list[Change]) -> None:
    assert list(bind_changes(bind(*words))) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["bind", "ro"], [Change(0, 0, MS_PRIVATE)]),
        (["bind", "rro"], [Change(0, 0, MS_PRIVATE)]),
        (
            ["rbind", "rro"],
            [Change(1, 0, MS_PRIVATE, recursive=True), Change(0, 1)],
        ),
    ],
)
def test_a_late_bind_is_writable_at_first(
    words: list[str], expected: list[Change]
) -> None:
    assert list(bind_changes(bind(*words), late=True)) == expected


def test_mounts_come_in_order_but_for_the_root_and_remounts() -> None:
    config = Config(
        base_mounts=[Mount.tmpfs("/dev"), Mount.tmpfs("/a", size="1m")],
        mounts=[
            bind("ro"),
            Mount.from_options("overlay", "o", "/", ["lowerdir=/l"]),
            Mount.from_options("none", None, "/a", ["remount", "ro", "size=2m"]),
        ],
    )
    mounts = ordered_mounts(config)
    assert [mount.destination for mount in mounts] == ["/", "/dev", "/a", "/x"]
    assert mounts[2].data == ("mode=1777", "size=2m")
    assert mounts[2].attrs & 1


def test_only_what_holds_others_is_protected_late() -> None:
    def mount(path: str, *words: str) -> Mount:
        return Mount.from_options("tmpfs", "t", path, words)

    mounts = (
        mount("/a", "ro"),
        mount("/ab/c"),
        mount("/a/b", "ro"),
        mount("/dev", "ro"),
        mount("/x", "ro", "tmpcopyup"),
        mount("/a/b/c", "rro"),
        mount("/y", "rw"),
        mount("/y/z"),
    )
    assert late_mounts(mounts) == {0, 2, 3, 4}


def made(plan: Plan, kind: type[ops.Op]) -> list[ops.Op]:
    return [s.action for s in plan.steps if isinstance(s.action, kind)]


CGROUP = Mount.from_options("cgroup", "cgroup", "/sys/fs/cgroup", ["ro"])


def _filesystems(facts: Facts) -> list[tuple[str, tuple[str, ...]]]:
    plan = create(Config(base_mounts=[], mounts=[CGROUP], masked_paths=[]), facts)
    found = [a for a in made(plan, ops.MakeFs) if isinstance(a, ops.MakeFs)]
    return [
        (a.fstype, a.options) for a in found if a.purpose.startswith("/sys/fs/cgroup")
    ]


def test_a_cgroup_mount_on_v2_is_one_filesystem() -> None:
    facts = evolve(PRIVILEGED, cgroups=("",), hierarchies=("",))
    assert _filesystems(facts) == [("cgroup2", ())]


def test_a_cgroup_mount_on_v1_has_a_directory_for_each_hierarchy() -> None:
    names = ("cpu,cpuacct", "name=systemd", "pids")
    facts = evolve(PRIVILEGED, cgroups=names, hierarchies=(*names, ""))
    assert [kind for kind, _ in _filesystems(facts)] == ["tmpfs", *["cgroup"] * 3]
    assert _filesystems(facts)[1:] == [
        ("cgroup", ("cpu", "cpuacct", "source=cgroup")),
        ("cgroup", ("none", "name=systemd", "source=cgroup")),
        ("cgroup", ("pids", "source=cgroup")),
    ]
    plan = create(Config(base_mounts=[], mounts=[CGROUP]), facts)
    links = [a for a in made(plan, ops.Symlink) if isinstance(a, ops.Symlink)]
    shown = {(a.path, a.target) for a in links}
    assert {("cpu", "cpu,cpuacct"), ("cpuacct", "cpu,cpuacct")} <= shown


def test_without_a_namespace_v1_shows_the_containers_own_directories() -> None:
    kinds = {kind.value for kind in NamespaceType} - {"cgroup", "user", "time"}
    config = Config(namespaces=kinds, base_mounts=[], mounts=[CGROUP], masked_paths=[])
    plan = create(config, evolve(PRIVILEGED, cgroups=("cpu,cpuacct", "pids")))
    opened = [s.action for s in plan.steps if isinstance(s.action, OpenCgroup)]
    assert [action.hierarchy for action in opened] == ["cpu,cpuacct", "pids"]
    assert {action.change.attr_set & 1 for action in opened} == {1}
    # They are there once the cgroup has been made.
    before = [s.index for s in plan.steps if isinstance(s.action, MakeCgroup)]
    after = [s.index for s in plan.steps if isinstance(s.action, OpenCgroup)]
    assert max(before) < min(after)
    filesystems = [a for a in made(plan, ops.MakeFs) if isinstance(a, ops.MakeFs)]
    assert not [a for a in filesystems if a.fstype == "cgroup"]


def test_who_may_not_open_them_has_the_hosts_read_only() -> None:
    config = evolve(SINGLE_ID, base_mounts=[], mounts=[CGROUP], masked_paths=[])
    kinds = config.namespaces - {NamespaceType.CGROUP}
    plan = create(evolve(config, namespaces=kinds), UNPRIVILEGED)
    assert not [s for s in plan.steps if isinstance(s.action, OpenCgroup)]
    trees = [a for a in made(plan, ops.CloneTree) if isinstance(a, ops.CloneTree)]
    assert "/sys/fs/cgroup" in {tree.host_path for tree in trees}


@pytest.mark.parametrize(
    ("options", "more", "names", "read_only"),
    [
        ((), (), ("",), False),
        (("ro",), (), ("",), True),
        ((), ("user",), ("",), True),
        # Both versions are there: v2 has but the processes.
        ((), (), ("cpu", ""), True),
    ],
)
def test_only_the_hosts_root_may_write_to_all_cgroups(
    options: tuple[str, ...],
    more: tuple[str, ...],
    names: tuple[str, ...],
    read_only: bool,
) -> None:
    mount = Mount.from_options("cgroup", "cgroup", "/sys/fs/cgroup", options)
    ids = [IdMapping(0, 100000, 65536)] if more else []
    config = Config(
        namespaces=["mount", "pid", *more],
        uid_mappings=ids,
        gid_mappings=ids,
        base_mounts=[],
        mounts=[mount],
        masked_paths=[],
    )
    plan = create(config, evolve(PRIVILEGED, cgroups=names, hierarchies=names))
    (change,) = (
        change
        for step in plan.steps
        if isinstance(step.action, OpenTree)
        and step.action.host_path == "/sys/fs/cgroup"
        for change in step.action.changes
    )
    assert bool(change.attr_set & 1) == read_only


def test_nodes_are_bound_where_none_can_be_made() -> None:
    plan = create(Config(), evolve(PRIVILEGED, nodes=False))
    opened = {s.action.host_path for s in plan.steps if isinstance(s.action, OpenTree)}
    assert "/dev/null" in opened
    assert made(plan, ops.Mknod) == []


def test_cgroups_that_are_not_the_containers_own_are_read_only() -> None:
    mount = Mount.from_options("cgroup", "cgroup", "/sys/fs/cgroup", ["rw"])
    config = Config(base_mounts=[], mounts=[mount], masked_paths=[])
    plan = create(config, evolve(PRIVILEGED, hierarchies=("",)))
    found = [a for a in made(plan, ops.MakeFs) if isinstance(a, ops.MakeFs)]
    assert [a.attributes & 1 for a in found if a.fstype == "cgroup2"] == [1]


@pytest.mark.parametrize(
    "config",
    [
        evolve(SINGLE_ID, mounts=[bind("bind", "idmap")]),
        evolve(SINGLE_ID, rootfs=Directory("/x", IdMap(RANGE, RANGE))),
        evolve(SINGLE_ID, rootfs=Overlay("/x", idmap=IdMap())),
        evolve(SINGLE_ID, mounts=[Mount.from_options("ext4", "/dev/x", "/x")]),
        evolve(SINGLE_ID, mounts=[COPIED]),
    ],
    ids=["bind", "directory", "overlay", "device", "tmpcopyup"],
)
def test_what_only_a_privileged_caller_can_do_is_refused(config: Config) -> None:
    with pytest.raises(UnsupportedError, match="CAP_SYS_ADMIN"):
        create(config, UNPRIVILEGED)


def test_an_unprivileged_slave_keeps_taking_mounts_of_the_host() -> None:
    for words, expected in (("rslave", MS_SLAVE), ("rprivate", MS_PRIVATE)):
        config = evolve(SINGLE_ID, mounts=[bind("rbind", words)])
        plan = create(config, UNPRIVILEGED)
        assert made(plan, ops.SetPropagation) == [ops.SetPropagation(expected)]


def test_only_a_privileged_caller_can_have_a_symlink_made() -> None:
    mount = Mount.from_options("bind", "/link", "/x", ["bind", "copy-symlink"])
    config = Config(rootfs="/srv/rootfs", mounts=[mount])
    links = (("/link", "../target"),)
    plan = create(config, evolve(PRIVILEGED, links=links))
    titles = [step.title for step in plan.steps]
    assert "make the symlink '/x' to '../target'" in titles
    assert not any("'/link'" in title for title in titles)
    unprivileged = evolve(UNPRIVILEGED, links=links)
    rootless = evolve(config, namespaces=SINGLE_ID.namespaces)
    rootless = evolve(
        rootless,
        uid_mappings=SINGLE_ID.uid_mappings,
        gid_mappings=SINGLE_ID.gid_mappings,
    )
    with pytest.raises(UnsupportedError, match="copy-symlink"):
        create(rootless, unprivileged)
