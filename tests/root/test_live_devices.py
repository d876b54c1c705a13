# SPDX-License-Identifier: Apache-2.0
"""Devices that come and go while the container runs, on v1 and by v2's program."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

import libcontainer as lc
from libcontainer.bindings.bpf import query_cgroup_device
from libcontainer.cgroups.hierarchy import read_hierarchies
from libcontainer.cgroups.strategy import Cgroupfs
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs", "cgroup2")

KMSG = lc.Device("/dev/kmsg", "c", 1, 11)
RULE = {"type": "c", "major": 1, "minor": 11}
CAPABILITIES = sorted(lc.Config().capabilities.bounding | {"CAP_SYSLOG"})
SLEEPER = lc.Process(["sleep", "1000"])


@pytest.fixture(params=["as mounted", "v2 alone"])
def box(
    request: pytest.FixtureRequest, state_root: Path, busybox_rootfs: Path
) -> Iterator[lc.Container]:
    """A running container in the hierarchies of the machine, or in v2 alone."""
    state_root.chmod(0o700)
    found = read_hierarchies()
    strategy = Cgroupfs(
        found if request.param == "as mounted" else evolve(found, v1=())
    )
    rootfs = lc.Overlay(str(busybox_rootfs))
    config = lc.Config(rootfs=rootfs, capabilities=CAPABILITIES)
    with lc.Factory(state_root, cgroups=strategy) as factory:
        with factory.create(new_id(), config) as made:
            made.run(SLEEPER)
            yield made
        assert factory.list() == []


def opens(box: lc.Container, path: str = "/dev/kmsg") -> str:
    """What a program in the container gets that opens a device."""
    script = f"exec 2>&1; : < {path} && echo opened"
    with box.exec(lc.Process(["sh", "-c", script], stdout=lc.PIPE)) as process:
        out, _ = process.communicate()
    text = (out or b"").decode().strip()
    return text.rpartition(": ")[2]


def test_a_device_comes_and_goes(box: lc.Container) -> None:
    assert opens(box) == "no such file"
    box.add_device(KMSG)
    assert opens(box) == "opened"
    box.remove_device(KMSG)
    assert opens(box) == "no such file"
    # The right has gone too: with a node it still cannot be opened.
    box.mknod(KMSG)
    assert opens(box) == "Operation not permitted"
    assert opens(box, "/dev/zero") == "opened"


def test_what_is_added_is_known_to_who_comes_later(
    box: lc.Container, state_root: Path
) -> None:
    box.add_device(KMSG)
    with lc.Factory(state_root) as other:
        again = other.load(box.id)
        deny = lc.DeviceRule(allow=False, type="c", major=1, minor=5, access="rw")
        again.update(lc.Resources(devices=[deny]))
        assert opens(box) == "opened"
        assert opens(box, "/dev/zero") == "Operation not permitted"
        again.update(lc.Resources(devices=[evolve(deny, allow=True)]))
        assert opens(box, "/dev/zero") == "opened"
        # A rule is written down once, however often it is said.
        for _ in range(3):
            again.update(lc.Resources(devices=[evolve(deny, allow=True)]))
    assert len(box.state().device_rules) == 2


def test_a_node_that_cannot_be_made_gives_no_right(box: lc.Container) -> None:
    box.mknod(KMSG)
    with pytest.raises(lc.StepError, match="EEXIST"):
        box.add_device(KMSG)
    assert opens(box) == "Operation not permitted"
    assert box.state().device_rules == ()


def test_another_file_at_its_path_is_left(box: lc.Container) -> None:
    wrong = lc.Device("/dev/zero", "c", 1, 11)
    with pytest.raises(lc.CgroupError, match="ENODEV"):
        box.remove_device(wrong)
    assert opens(box, "/dev/zero") == "opened"


def test_there_is_never_more_than_one_program(box: lc.Container) -> None:
    if list(box.state().cgroup) != [""]:
        return
    cgroup = box.state().cgroup[""]
    before = programs(cgroup)
    for _ in range(3):
        box.update(lc.Resources(devices=[lc.DeviceRule(allow=True, **RULE)]))  # type: ignore[arg-type]
    after = programs(cgroup)
    assert len(before) == len(after) == 1
    assert before != after


def test_wrong_devices_are_refused_first(box: lc.Container) -> None:
    with pytest.raises(lc.ConfigError, match="access"):
        box.add_device(KMSG, access="x")
    with pytest.raises(lc.ConfigError, match="path"):
        box.add_device(lc.Device("kmsg", "c", 1, 11))
    assert box.state().device_rules == ()


def programs(cgroup: str) -> list[int]:
    """The ids of the programs of a cgroup itself."""
    fd = os.open(cgroup, os.O_RDONLY)
    try:
        return query_cgroup_device(fd)
    finally:
        os.close(fd)
