# SPDX-License-Identifier: Apache-2.0
"""Namespaces that are joined by path, clocks, and who owns what, from inside."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from tests.root.conftest import Observe

pytestmark = pytest.mark.needs("root", "rootfs")

_ALL = ("mount", "pid", "network", "ipc", "uts", "cgroup")
_FILES = {"mount": "mnt", "network": "net"}
_MAPS: dict[str, Any] = {
    "uid_mappings": [lc.IdMapping(0, 100000, 50), lc.IdMapping(100, 200000, 7)],
    "gid_mappings": [lc.IdMapping(0, 300000, 60000)],
}
# A mount namespace of others takes no mounts of ours.
_NO_MOUNTS: dict[str, Any] = {
    "rootfs": "/",
    "base_mounts": [],
    "devices": [],
    "masked_paths": [],
    "readonly_paths": [],
}


def _file(kind: str) -> str:
    return _FILES.get(kind, kind)


class Other:
    """A container whose namespaces are joined."""

    def __init__(self, host_pid: int) -> None:
        self._host_pid = host_pid

    def path(self, kind: str) -> str:
        return f"/proc/{self._host_pid}/ns/{_file(kind)}"

    def paths(self, *kinds: str) -> dict[str, str]:
        return {kind: self.path(kind) for kind in kinds}

    def inode(self, kind: str) -> int:
        return Path(self.path(kind)).stat().st_ino


def _other(factory: lc.Factory, rootfs: Path, **wishes: Any) -> Iterator[Other]:
    config = lc.Config(rootfs=lc.Overlay(str(rootfs)), hostname="other", **wishes)
    with factory.create("other", config) as container:
        init = container.run(lc.Process(["sleep", "1000"]))
        yield Other(init.host_pid)


@pytest.fixture
def other(factory: lc.Factory, busybox_rootfs: Path) -> Iterator[Other]:
    """A container with namespaces of every kind but the user's."""
    kinds = [*_ALL, "time"]
    yield from _other(
        factory, busybox_rootfs, namespaces=kinds, time_offsets={"boottime": 5000}
    )


@pytest.fixture
def other_user(factory: lc.Factory, busybox_rootfs: Path) -> Iterator[Other]:
    """A container with namespaces of every kind, all owned by its user namespace."""
    yield from _other(
        factory, busybox_rootfs, namespaces=[*_ALL, "time", "user"], **_MAPS
    )


@pytest.mark.parametrize("kind", ["network", "ipc", "uts", "cgroup", "pid", "time"])
def test_one_namespace_is_joined_and_the_others_are_new(
    observe: Observe, other: Other, kind: str
) -> None:
    seen = observe(namespaces={*_ALL, kind}, namespace_paths=other.paths(kind))
    assert seen["namespaces"][_file(kind)] == other.inode(kind)
    for own in {*_ALL} - {kind}:
        host = Path(f"/proc/self/ns/{_file(own)}").stat().st_ino
        assert seen["namespaces"][_file(own)] not in (other.inode(own), host)


def test_what_is_in_a_joined_namespace_is_seen(observe: Observe, other: Other) -> None:
    seen = observe(namespaces=[*_ALL, "time"], namespace_paths=other.paths("uts"))
    assert seen["hostname"] == "other"
    seen = observe(namespaces=[*_ALL, "time"], namespace_paths=other.paths("time"))
    assert [row.split() for row in seen["timens_offsets"]] == [
        ["monotonic", "0", "0"],
        ["boottime", "5000", "0"],
    ]
    seen = observe(namespace_paths=other.paths("pid"))
    assert seen["pid"] > 1


def test_a_namespace_is_joined_by_a_file_it_is_bound_on(
    observe: Observe, other: Other, tmp_path: Path
) -> None:
    from libcontainer.bindings.mount import MountFlag, mount
    from libcontainer.bindings.umount2 import umount2

    place = tmp_path / "netns"
    place.touch()
    mount(other.path("network"), str(place), None, MountFlag.BIND)
    try:
        seen = observe(namespace_paths={"network": place})
    finally:
        umount2(str(place))
    assert seen["namespaces"]["net"] == other.inode("network")


def test_a_joined_user_namespace_brings_its_maps(
    observe: Observe, other_user: Other
) -> None:
    seen = observe(
        namespaces=[*_ALL, "user"], namespace_paths=other_user.paths("user"), user="105"
    )
    assert seen["namespaces"]["user"] == other_user.inode("user")
    assert [row.split() for row in seen["uid_map"]] == [
        ["0", "100000", "50"],
        ["100", "200000", "7"],
    ]
    assert seen["uid"] == [105, 105, 105]
    assert seen["namespaces"]["net"] != other_user.inode("network")


def test_an_id_that_a_joined_user_namespace_lacks_is_refused(
    observe: Observe, factory: lc.Factory, other_user: Other
) -> None:
    with pytest.raises(lc.StepError, match="not mapped"):
        observe(
            namespaces=[*_ALL, "user"],
            namespace_paths=other_user.paths("user"),
            user="70",
        )
    assert [c.id for c in factory.list()] == ["other"]


def test_every_namespace_of_another_container_is_joined(
    observe: Observe, other_user: Other
) -> None:
    kinds = ("user", "network", "ipc", "uts", "pid", "cgroup", "time")
    seen = observe(namespaces=[*_ALL, *kinds], namespace_paths=other_user.paths(*kinds))
    for kind in kinds:
        assert seen["namespaces"][_file(kind)] == other_user.inode(kind)
    assert seen["namespaces"]["mnt"] != other_user.inode("mount")


def test_a_network_that_the_user_namespace_does_not_own_is_joined(
    observe: Observe, other: Other
) -> None:
    # Its own user namespace has no right over it, the caller has.
    seen = observe(
        namespaces=[*_ALL, "user"],
        namespace_paths=other.paths("network"),
        base_mounts=[m for m in lc.Config().base_mounts if m.type != "sysfs"],
        **_MAPS,
    )
    assert seen["namespaces"]["net"] == other.inode("network")
    assert seen["uid_map"]


def test_a_joined_mount_namespace_brings_its_root(
    factory: lc.Factory, other: Other
) -> None:
    config = lc.Config(
        namespaces=_ALL, namespace_paths=other.paths("mount", "pid"), **_NO_MOUNTS
    )
    before = Path("/proc/self/mountinfo").read_text()
    done = lc.run(
        ["sh", "-c", "readlink /proc/self/ns/mnt; ls -d /bin/busybox; pwd"],
        config=config,
        factory=factory,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == [
        f"mnt:[{other.inode('mount')}]",
        "/bin/busybox",
        "/",
    ], done.stderr
    assert Path("/proc/self/mountinfo").read_text() == before


def test_a_further_process_joins_what_the_first_has_joined(
    factory: lc.Factory, other_user: Other, init_rootfs: Path
) -> None:
    kinds = ("user", "network", "pid")
    config = lc.Config(
        rootfs=lc.Overlay(str(init_rootfs)),
        namespaces=[*_ALL, "user"],
        namespace_paths=other_user.paths(*kinds),
    )
    script = "for name in user net pid; do readlink /proc/self/ns/$name; done"
    with factory.create("box", config) as container:
        container.run(lc.Process(["sleep", "1000"]))
        with container.exec(lc.Process(["sh", "-c", script], stdout=lc.PIPE)) as seen:
            out, _ = seen.communicate()
    assert out.decode().split() == [
        f"{_file(kind)}:[{other_user.inode(kind)}]" for kind in kinds
    ]


def test_the_interface_of_a_joined_network_is_left_alone(
    factory: lc.Factory, observe: Observe, busybox_rootfs: Path
) -> None:
    holder = _other(factory, busybox_rootfs, loopback=False)
    other = next(holder)
    try:
        seen = observe(namespace_paths=other.paths("network"))
        assert seen["links"]
        done = lc.run(
            ["cat", "/sys/class/net/lo/flags"],
            config=lc.Config(
                rootfs=lc.Overlay(str(busybox_rootfs)),
                namespace_paths=other.paths("network"),
            ),
            factory=factory,
            capture_output=True,
            text=True,
        )
        # IFF_UP is the lowest bit.
        assert int(done.stdout, 16) & 1 == 0
    finally:
        next(holder, None)


@pytest.mark.parametrize(
    ("kind", "path", "message"),
    [
        ("network", "/proc/self/ns/ipc", "is no network namespace"),
        ("network", "/etc/passwd", "is no network namespace"),
        ("network", "/dev/null", "is no network namespace"),
        ("network", "/nowhere", "does not exist"),
        ("user", "/proc/self/ns/user", "is the caller's own"),
        ("uts", "/proc/self/ns/uts", "is the caller's own, whose names must stay"),
    ],
)
def test_what_cannot_be_joined_is_told_before_anything_is_made(
    factory: lc.Factory, kind: str, path: str, message: str
) -> None:
    config = lc.Config(
        namespaces={*_ALL, kind}, namespace_paths={kind: path}, hostname="x"
    )
    with pytest.raises(lc.ConfigError) as caught:
        factory.create("box", config)
    (problem,) = caught.value.problems
    assert problem.path == "namespace_paths[0]"
    assert message in problem.message


def test_a_namespace_that_is_gone_at_the_launch_leaves_nothing(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    holder = _other(factory, busybox_rootfs)
    other = next(holder)
    rootfs = lc.Overlay(str(busybox_rootfs))
    paths = other.paths("network")
    with factory.create("box", lc.Config(rootfs=rootfs, namespace_paths=paths)) as box:
        next(holder, None)
        with pytest.raises(lc.StepError, match="open the network namespace") as caught:
            box.run(lc.Process(["true"]))
        assert caught.value.errno == errno.ENOENT
        assert box.status() is lc.Status.CREATING


@pytest.mark.parametrize("user", [False, True], ids=["root", "user namespace"])
def test_the_clocks_of_a_time_namespace_are_set(observe: Observe, user: bool) -> None:
    offsets = {"monotonic": lc.TimeOffset(1000, 500), "boottime": 5_000_000}
    wishes: dict[str, Any] = _MAPS if user else {}
    kinds = [*_ALL, "time", *(["user"] if user else [])]
    seen = observe(namespaces=kinds, time_offsets=offsets, **wishes)
    assert [row.split() for row in seen["timens_offsets"]] == [
        ["monotonic", "1000", "500"],
        ["boottime", "5000000", "0"],
    ]
    assert seen["boottime"] > 5_000_000
    host = Path("/proc/self/ns/time").stat().st_ino
    assert seen["namespaces"]["time"] != host
    assert seen["pid"] == 1
    if user:
        assert seen["uid_map"]
        assert seen["namespaces"]["user"] != Path("/proc/self/ns/user").stat().st_ino


def test_a_clock_may_be_behind(observe: Observe) -> None:
    offsets = {"monotonic": lc.TimeOffset(-1, 999_999_999)}
    seen = observe(namespaces=[*_ALL, "time"], time_offsets=offsets)
    assert seen["timens_offsets"][0].split() == ["monotonic", "-1", "999999999"]


def test_a_clock_before_zero_is_refused_and_nothing_is_left(
    observe: Observe, factory: lc.Factory
) -> None:
    with pytest.raises(lc.StepError, match="set the clocks") as caught:
        observe(namespaces=[*_ALL, "time"], time_offsets={"boottime": -(10**9)})
    assert caught.value.errno == errno.ERANGE
    assert factory.list() == []


def test_exec_joins_the_time_namespace(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    config = lc.Config(
        rootfs=lc.Overlay(str(busybox_rootfs)),
        namespaces=[*_ALL, "time"],
        time_offsets={"boottime": 7_000_000},
    )
    script = "for id in 1 self; do readlink /proc/$id/ns/time; done; cat /proc/uptime"
    with factory.create("box", config) as container:
        container.run(lc.Process(["sleep", "1000"]))
        with container.exec(lc.Process(["sh", "-c", script], stdout=lc.PIPE)) as seen:
            out, _ = seen.communicate()
    first, own, uptime, _ = out.decode().split()
    assert first == own != os.readlink("/proc/self/ns/time")
    assert float(uptime) > 7_000_000


@pytest.fixture
def groups() -> Iterator[list[int]]:
    """Supplementary groups of the caller, for a while."""
    before = os.getgroups()
    os.setgroups([7, 8, 9])
    yield [7, 8, 9]
    os.setgroups(before)


def test_the_callers_groups_are_kept_if_that_is_wanted(
    observe: Observe, groups: list[int]
) -> None:
    assert observe(keep_groups=True)["groups"] == groups
    assert observe(keep_groups=True, user="user")["groups"] == groups
    assert observe(user="user")["groups"] == [29, 44]
    seen = observe(keep_groups=True, namespaces=[*_ALL, "user"], **_MAPS)
    assert seen["groups"] == [65534] * len(groups)


def test_exec_keeps_the_groups_of_who_calls_it(
    factory: lc.Factory, init_rootfs: Path, groups: list[int]
) -> None:
    config = lc.Config(rootfs=lc.Overlay(str(init_rootfs)), keep_groups=True)
    with factory.create("box", config) as container:
        container.run(lc.Process(["sleep", "1000"]))
        script = ["sh", "-c", "grep Groups /proc/self/status"]
        with container.exec(lc.Process(script, stdout=lc.PIPE)) as seen:
            out, _ = seen.communicate()
    assert out.decode().split()[1:] == [str(group) for group in groups]


_REOPEN = "echo again >/proc/self/fd/1 && echo yes || echo no"


@pytest.mark.parametrize("user", [False, True], ids=["root", "user namespace"])
def test_another_user_can_open_its_streams_anew(
    factory: lc.Factory, busybox_rootfs: Path, user: bool
) -> None:
    wishes: dict[str, Any] = dict(_MAPS, namespaces=[*_ALL, "user"]) if user else {}
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), **wishes)
    done = lc.run(
        ["sh", "-c", f"id -u; {_REOPEN}"],
        user="5:5",
        config=config,
        factory=factory,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["5", "again", "yes"], done.stderr


def test_a_file_to_write_to_is_given_and_one_to_read_is_not(
    factory: lc.Factory, busybox_rootfs: Path, tmp_path: Path
) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_text("words\n")
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), **_MAPS_OF_A_USER)
    with open(source) as reading, open(target, "w") as writing:
        lc.run(
            ["cat"],
            user="5:5",
            stdin=reading,
            stdout=writing,
            config=config,
            factory=factory,
            check=True,
        )
    assert target.read_text() == "words\n"
    assert (source.stat().st_uid, target.stat().st_uid) == (0, 100005)


_MAPS_OF_A_USER: dict[str, Any] = {**_MAPS, "namespaces": [*_ALL, "user"]}


def test_streams_of_the_caller_itself_stay_as_they_are(
    factory: lc.Factory, busybox_rootfs: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    target.touch()
    os.chown(target, 77, 78)
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))
    with open(target, "w") as writing:
        lc.run(["true"], stdout=writing, config=config, factory=factory, check=True)
    status = target.stat()
    assert (status.st_uid, status.st_gid) == (77, 78)
