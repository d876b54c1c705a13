# SPDX-License-Identifier: Apache-2.0
"""Every property of a v1 controller with its type, of a running container."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import libcontainer as lc
from libcontainer.cgroups.group import Group
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs", "cgroup1")


@pytest.fixture
def box(factory: lc.Factory, busybox_rootfs: Path) -> Iterator[lc.Container]:
    """A running container with a limit on memory."""
    limits = lc.Resources(memory="64M", cpuset_cpus="0")
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), resources=limits)
    with factory.create(new_id(), config) as made:
        made.run(lc.Process(["sleep", "1000"]))
        yield made


def file(box: lc.Container, name: str) -> str:
    directory = Group(box.state().cgroup).directory(name.partition(".")[0]) or ""
    return Path(directory, name).read_text().strip()


def test_values_have_their_types(box: lc.Container) -> None:
    memory = box.properties("memory")
    assert memory["limit_in_bytes"] == 64 << 20
    assert memory["use_hierarchy"] is True
    assert memory["stat"]["hierarchical_memory_limit"] == 64 << 20
    assert box.properties("cpuset")["cpus"] == {0}
    assert set(box.processes()) == set(box.properties("cpu")["procs"])


def test_what_is_set_is_in_the_kernel(box: lc.Container) -> None:
    box.properties("memory")["swappiness"] = 33
    assert file(box, "memory.swappiness") == "33"
    cpuset = box.properties("cpuset")
    cpuset["memory_migrate"] = True
    assert file(box, "cpuset.memory_migrate") == "1"
    # Text as the kernel has it, which the package itself does not take.
    cpuset["cpus"] = "0"
    assert cpuset["cpus"] == {0}
    box.properties("cpu")["shares"] = 77
    assert file(box, "cpu.shares") == "77"


def test_rules_of_devices_are_written_one_by_one(box: lc.Container) -> None:
    devices = box.properties("devices")
    rules = [lc.DeviceRule(allow=True, type="c", major=10, minor=n) for n in (1, 2)]
    devices["allow"] = rules
    assert {"c 10:1 rwm", "c 10:2 rwm"} <= set(file(box, "devices.list").splitlines())
    devices["deny"] = lc.DeviceRule(allow=False)
    assert file(box, "devices.list") == ""
    with pytest.raises(lc.CgroupError, match="EPERM"):
        devices["allow"]


def test_every_one_that_is_listed_can_be_read(box: lc.Container) -> None:
    for controller in ("memory", "cpu", "cpuacct", "cpuset"):
        found = box.properties(controller)
        names = list(found)
        assert "tasks" in names
        assert "force_empty" not in names
        for name in names:
            found[name]


def test_what_is_refused_says_what(box: lc.Container) -> None:
    memory = box.properties("memory")
    with pytest.raises(lc.CgroupError, match=r"EINVAL") as caught:
        memory["swappiness"] = 1000
    assert "memory.swappiness" in str(caught.value)
    with pytest.raises(KeyError):
        memory["no_such_thing"]
    with pytest.raises(lc.CgroupError, match="EPERM"):
        memory["stat"] = {}
    for controller in ("pids", "freezer", "nothing"):
        with pytest.raises(lc.UnsupportedError):
            box.properties(controller)
