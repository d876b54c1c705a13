# SPDX-License-Identifier: Apache-2.0
"""Which devices a container can use where cgroup v2 decides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

import libcontainer as lc
from libcontainer.cgroups.hierarchy import read_hierarchies
from libcontainer.cgroups.strategy import Cgroupfs
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs", "cgroup2")

# The kernel's log: every machine has it, and who has this capability may open it.
KMSG = lc.Device("/dev/kmsg", "c", 1, 11)
CAPABILITIES = sorted(lc.Config().capabilities.bounding | {"CAP_SYSLOG"})
LOOK = "for i in /dev/null /dev/zero /dev/kmsg; do : < $i && echo $i; done; exit 0"


@pytest.fixture
def factory(state_root: Path) -> Iterator[lc.Factory]:
    """Containers in the v2 hierarchy alone, wherever it is mounted."""
    state_root.chmod(0o700)
    strategy = Cgroupfs(evolve(read_hierarchies(), v1=()))
    with lc.Factory(state_root, cgroups=strategy) as made:
        yield made
        assert made.list() == []


def _config(rootfs: Path, **fields: Any) -> lc.Config:
    layers = lc.Overlay(str(rootfs))
    return lc.Config(rootfs=layers, capabilities=CAPABILITIES, **fields)


def _opens(factory: lc.Factory, rootfs: Path, *rules: lc.DeviceRule) -> list[str]:
    resources = lc.Resources(devices=rules)
    config = _config(rootfs, resources=resources)
    program = lc.Process(["sh", "-c", LOOK], stdout=lc.PIPE)
    with factory.create(new_id(), config) as box, box.prepare(program) as process:
        # Not one of its configuration, which would be allowed.
        box.mknod(KMSG)
        box.start()
        out, _ = process.communicate()
    return bytes(out or b"").decode().split()


def test_a_node_that_is_made_cannot_be_used(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    assert _opens(factory, busybox_rootfs) == ["/dev/null", "/dev/zero"]


def test_a_rule_allows_it(factory: lc.Factory, busybox_rootfs: Path) -> None:
    rule = lc.DeviceRule(allow=True, type="c", major=1, minor=11, access="r")
    opened = _opens(factory, busybox_rootfs, rule)
    assert opened == ["/dev/null", "/dev/zero", "/dev/kmsg"]


def test_a_rule_takes_a_standard_device_away(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    rule = lc.DeviceRule(allow=False, type="c", major=1, minor=5, access="rw")
    assert _opens(factory, busybox_rootfs, rule) == ["/dev/null"]


def test_a_node_of_the_configuration_is_allowed(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    config = _config(busybox_rootfs, devices=[*lc.Config().devices, KMSG])
    with factory.create(new_id(), config) as box:
        process = box.run(lc.Process(["sh", "-c", ": < /dev/kmsg"]))
        assert process.wait() == lc.ExitStatus(code=0)
