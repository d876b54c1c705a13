# SPDX-License-Identifier: Apache-2.0
"""Limits that hold already, as an update of a part of them needs them."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from libcontainer.cgroups.current import lacks_other, with_current
from libcontainer.cgroups.group import Group
from libcontainer.config import Resources
from libcontainer.errors import CgroupError

V1 = {"cpu.cfs_quota_us": "50000\n", "cpu.cfs_period_us": "200000\n"}
V2 = {"cpu.max": "50000 200000\n"}


def _group(folder: Path, files: dict[str, str]) -> Group:
    for name, text in files.items():
        (folder / name).write_text(text)
    return Group({"cpu": str(folder)})


@pytest.mark.parametrize("files", [V1, V2], ids=["v1", "v2"])
@pytest.mark.parametrize(
    ("asked", "quota", "period"),
    [
        (Resources(cpu_quota=7000), 7000, 200_000),
        (Resources(cpu_period=9000), 50_000, 9000),
        (Resources(cpu_burst=10), 50_000, 200_000),
    ],
)
def test_what_is_not_given_is_as_it_was(
    tmp_path: Path, files: dict[str, str], asked: Resources, quota: int, period: int
) -> None:
    assert lacks_other(asked)
    found = with_current(_group(tmp_path, files), asked)
    assert (found.cpu_quota, found.cpu_period) == (quota, period)


def test_no_limit_is_minus_one(tmp_path: Path) -> None:
    group = _group(tmp_path, {"cpu.max": "max 100000\n"})
    assert with_current(group, Resources(cpu_period=9000)).cpu_quota == -1


def test_what_is_whole_is_not_looked_up() -> None:
    assert not lacks_other(Resources(cpu_quota=7000, cpu_period=9000))
    assert not lacks_other(Resources(pids=3))


def test_what_the_kernel_does_not_have_is_an_error_of_the_cgroup(
    tmp_path: Path,
) -> None:
    with pytest.raises(CgroupError, match="read the limits of cpu") as caught:
        with_current(Group({"cpu": str(tmp_path)}), Resources(cpu_quota=1000))
    assert caught.value.errno == errno.ENOENT
