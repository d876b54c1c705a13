# SPDX-License-Identifier: Apache-2.0
"""What is mounted, told from the kernel's own texts."""

from __future__ import annotations

import pytest

from libcontainer.cgroups.hierarchy import CgroupMode, Hierarchy, parse
from libcontainer.plan.unified import UNIFIED

V1 = "30 25 0:26 {root} /sys/fs/cgroup/{name} rw,relatime - cgroup cgroup rw,{name}\n"
V2 = "40 25 0:28 {root} {at} rw - cgroup2 cgroup2 rw\n"
TMPFS = "25 24 0:25 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"


def v1(name: str, root: str = "/") -> str:
    return V1.format(name=name, root=root)


def v2(at: str, root: str = "/") -> str:
    return V2.format(at=at, root=root)


@pytest.mark.parametrize(
    ("mounts", "own", "mode"),
    [
        (v2("/sys/fs/cgroup"), "0::/a\n", CgroupMode.UNIFIED),
        (TMPFS + v1("memory"), "4:memory:/\n", CgroupMode.LEGACY),
        (
            TMPFS + v1("memory") + v2("/sys/fs/cgroup/unified"),
            "4:memory:/\n0::/\n",
            CgroupMode.HYBRID,
        ),
        # Mounted by a program for its own packets, on a machine of v2.
        (
            v2("/sys/fs/cgroup") + v1("net_cls"),
            "4:net_cls:/\n0::/\n",
            CgroupMode.UNIFIED,
        ),
        (
            v2("/sys/fs/cgroup") + v1("net_cls") + v1("pids"),
            "5:pids:/\n4:net_cls:/\n0::/\n",
            CgroupMode.HYBRID,
        ),
        ("", "0::/\n", CgroupMode.NONE),
        # The kernel lists a hierarchy that is mounted nowhere.
        (TMPFS, "4:memory:/\n0::/\n", CgroupMode.NONE),
    ],
)
def test_the_mode_is_told_by_the_file_systems(
    mounts: str, own: str, mode: CgroupMode
) -> None:
    assert parse(mounts, own).mode is mode


def test_controllers_that_are_mounted_together_are_one_hierarchy() -> None:
    mount = "30 25 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpuacct,cpu\n"
    found = parse(mount, "2:cpu,cpuacct:/x\n")
    assert found.v1 == (Hierarchy("cpu,cpuacct", "/sys/fs/cgroup/cpu", "/x"),)


def test_a_named_hierarchy_is_one_too() -> None:
    mount = (
        "30 25 0:26 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
    )
    found = parse(mount, "9:name=systemd:/\n")
    assert [h.name for h in found.v1] == ["name=systemd"]
    assert found.mode is CgroupMode.NONE


def test_a_mount_of_a_part_shows_what_is_below_it() -> None:
    found = parse(v2("/sys/fs/cgroup", root="/box"), "0::/box/inner\n")
    assert found.unified == Hierarchy(UNIFIED, "/sys/fs/cgroup", "/inner")
    assert parse(v2("/sys/fs/cgroup", root="/box"), "0::/boxer\n").unified is None


def test_escaped_mount_points_are_read() -> None:
    found = parse(v2("/mnt/with\\040space"), "0::/\n")
    assert found.unified is not None
    assert found.unified.mount_point == "/mnt/with space"


@pytest.mark.parametrize(
    "mountinfo", ["", "x", " - cgroup2 a b", "1 2 3 / - cgroup none rw,cpu", "\n\n"]
)
@pytest.mark.parametrize("own", ["", "x", "0:", "0::/", "1:cpu:/a"])
def test_texts_that_are_none_of_the_kernels_have_no_hierarchy(
    mountinfo: str, own: str
) -> None:
    found = parse(mountinfo, own)
    assert (found.v1, found.unified) == ((), None)


def test_only_a_newline_ends_a_line_of_mountinfo() -> None:
    """A name of a mount may have what Python takes for the end of a line."""
    name = "/mnt/a\x85\u2028b"
    unified = parse(f"25 1 0:22 / {name} rw - cgroup2 none rw", "0::/").unified
    assert unified == Hierarchy(UNIFIED, name, "/")
