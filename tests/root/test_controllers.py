# SPDX-License-Identifier: Apache-2.0
"""Limits and counts of what has to be set up first.

Huge pages, bursts, the schedulers and costs of a disk, RDMA without hardware for it,
and a resource of the misc controller that a module stands for.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.cgroups.group import Group
from libcontainer.cgroups.io_cost import set_io_cost
from libcontainer.cgroups.stats import IoStats
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

MIB = 1 << 20
SLEEPER = lc.Process(["sleep", "1000"])
Make = Callable[..., lc.Container]


@pytest.fixture
def make(state_root: Path, init_rootfs: Path) -> Iterator[Make]:
    """Make a container with limits, in the hierarchies of both versions."""
    state_root.chmod(0o700)

    def create(
        fields: Mapping[str, Any] = MappingProxyType({}), **limits: Any
    ) -> lc.Container:
        rootfs = lc.Overlay(str(init_rootfs))
        resources = lc.Resources(**limits)
        config = lc.Config(rootfs=rootfs, resources=resources, **fields)
        return factory.create(new_id(), config)

    with lc.Factory(state_root, cgroups="hybrid") as factory:
        yield create
        assert factory.list() == []


def directory(box: lc.Container, controller: str) -> Path:
    found = Group(box.state().cgroup).directory(controller)
    assert found is not None
    return Path(found)


# -- huge pages


@pytest.fixture
def huge_pages() -> Iterator[None]:
    """Let the machine have four huge pages more while the test runs."""
    pool = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
    if not pool.exists():
        pytest.skip("no huge pages of 2 MiB")
    before = int(pool.read_text())
    pool.write_text(str(before + 4))
    try:
        if int(pool.read_text()) < before + 4:
            pytest.skip("the memory is in too small pieces for huge pages")
        yield
    finally:
        pool.write_text(str(before))


def holder(pages: int) -> lc.Process:
    """Take huge pages, say so, and stay."""
    args = ["/test_init", "--huge", str(pages), "--sleep", "1000"]
    return lc.Process(args, stdout=lc.PIPE)


@pytest.mark.needs("compiler", "hugetlb")
@pytest.mark.usefixtures("huge_pages")
def test_huge_pages_are_counted_and_limited(make: Make) -> None:
    with make(hugetlb={"2MB": 2 * 2 * MIB}) as box:
        process = box.run(holder(2))
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"{")
        found = box.stats().hugetlb["2MB"]
        assert (found.usage, found.limit) == (4 * MIB, 4 * MIB)
        assert found.failures == 0
        # A third has no room: not reserved, or not there when it is written to.
        with box.exec(lc.Process(["/test_init", "--huge", "1"])) as other:
            assert other.wait() in {
                lc.ExitStatus(code=12),
                lc.ExitStatus(signal=signal.SIGBUS),
            }
        process.kill()
        process.wait()
        process.close()
        deadline = time.monotonic() + 5
        while box.stats().hugetlb["2MB"].usage:
            assert time.monotonic() < deadline
            time.sleep(0.01)


# -- bursts


def test_time_saved_up_is_used_in_bursts_and_counted(make: Make) -> None:
    # A fifth of a processor each 50 ms, and as much again once it was saved up.
    limits = {"cpu_quota": 10_000, "cpu_period": 50_000, "cpu_burst": 10_000}
    spin = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"
    script = f"while :; do sleep 0.3; {spin}; done"
    with make(**limits) as box:
        box.run(lc.Process(["sh", "-c", script]))
        deadline = time.monotonic() + 60
        while not (found := box.stats().cpu).bursts:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert 0 < found.burst <= found.usage
        assert found.bursts <= found.periods


# -- BFQ


@pytest.fixture
def bfq_disk(tmp_path: Path) -> Iterator[tuple[str, int, int]]:
    """A loop device that BFQ schedules: its path and its numbers."""
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(16 * MIB)
    subprocess.run(["modprobe", "-q", "loop"], check=False)
    done = subprocess.run(
        ["losetup", "--show", "--find", image],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"no loop device: {done.stderr.strip()}")
    path = done.stdout.strip()
    number = os.stat(path).st_rdev
    queue = Path("/sys/block", Path(path).name, "queue/scheduler")
    before = next(w.strip("[]") for w in queue.read_text().split() if "[" in w)
    try:
        subprocess.run(["modprobe", "-q", "bfq"], check=False)
        queue.write_text("bfq")
        yield path, os.major(number), os.minor(number)
        queue.write_text(before)
    finally:
        subprocess.run(["losetup", "--detach", path], check=True)


def disk_stats(box: lc.Container, major: int, minor: int) -> IoStats | None:
    found = [d for d in box.stats().io if (d.major, d.minor) == (major, minor)]
    return found[0] if found else None


@pytest.mark.needs("bfq")
def test_a_device_has_a_weight_of_its_own(
    make: Make, bfq_disk: tuple[str, int, int]
) -> None:
    _, major, minor = bfq_disk
    weight = lc.WeightDevice(major, minor, weight=300)
    with make(blkio_weight=200, blkio_weight_devices=[weight]) as box:
        box.run(SLEEPER)
        home = directory(box, "blkio")
        if Group(box.state().cgroup).is_unified:
            home, file = directory(box, "io"), "io.bfq.weight"
        else:
            file = "blkio.bfq.weight_device"
        lines = (home / file).read_text().splitlines()
        assert f"{major}:{minor} 300" in lines
        assert "default 200" in lines or (
            home / "blkio.bfq.weight"
        ).read_text().split() == ["200"]
        more = lc.WeightDevice(major, minor, weight=400)
        box.update(lc.Resources(blkio_weight_devices=[more]))
        assert f"{major}:{minor} 400" in (home / file).read_text().splitlines()


@pytest.mark.needs("bfq")
def test_a_weight_of_a_device_that_another_schedules_is_refused(
    make: Make, bfq_disk: tuple[str, int, int]
) -> None:
    path, major, minor = bfq_disk
    Path("/sys/block", Path(path).name, "queue/scheduler").write_text("none")
    with make(blkio_weight_devices=[lc.WeightDevice(major, minor, 300)]) as box:
        with pytest.raises(lc.CgroupError, match="weight") as caught:
            box.run(SLEEPER)
        assert "bfq" in (caught.value.hint or "")


def read_all(path: str) -> str:
    """Return a script that reads a whole device past the page cache."""
    return f"dd if={path} of=/dev/null bs=64k iflag=direct 2>&1"


@pytest.mark.needs("bfq", "bfq_debug", "cgroup1")
def test_a_scheduler_that_counts_is_in_the_statistics(
    make: Make, bfq_disk: tuple[str, int, int]
) -> None:
    path, major, minor = bfq_disk
    with make({"devices": [*lc.Config().devices, lc.host_device(path)]}) as box:
        process = box.run(lc.Process(["sh", "-c", read_all(path)], stdout=lc.PIPE))
        with process:
            process.communicate()
            assert process.wait().code == 0
        found = disk_stats(box, major, minor)
        assert found is not None
        assert found.sectors == 16 * MIB // 512
        assert (found.disk_time or 0) > 0
        assert (found.read_service_time or 0) > 0
        assert found.read_wait_time is not None
        assert (found.merged_reads, found.queued_reads) == (0, 0)
        assert found.write_service_time == 0


# -- costs of a device


@pytest.mark.needs("controllers2")
def test_the_costs_of_a_device_are_in_the_statistics(
    make: Make, bfq_disk: tuple[str, int, int]
) -> None:
    path, major, minor = bfq_disk
    debug = Path("/sys/module/blk_cgroup/parameters/blkcg_debug_stats")
    before = debug.read_text()
    set_io_cost(major, minor, enable=True)
    try:
        debug.write_text("Y")
        with make({"devices": [*lc.Config().devices, lc.host_device(path)]}) as box:
            script = f"{read_all(path)}; sleep 1000"
            process = box.run(lc.Process(["sh", "-c", script]))
            deadline = time.monotonic() + 30
            while not ((found := disk_stats(box, major, minor)) and found.cost_usage):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            assert found.cost_usage % 1000 == 0
            assert found.read_bytes > 0
            assert found.cost_wait is not None
            assert found.cost_indebt is not None
            assert found.cost_indelay is not None
            process.kill()
            process.wait()
    finally:
        debug.write_text(before)
        set_io_cost(major, minor, enable=False)


# -- RDMA, over a link


@pytest.fixture
def rdma_device() -> Iterator[str]:
    """A device of soft RoCE over a link of its own; its name."""
    link, name = "lc-rdma0", "lcrxe0"
    subprocess.run(["ip", "link", "add", link, "type", "dummy"], check=True)
    try:
        subprocess.run(["ip", "link", "set", link, "up"], check=True)
        made = ["rdma", "link", "add", name, "type", "rxe", "netdev", link]
        subprocess.run(made, check=True)
        yield name
    finally:
        subprocess.run(["rdma", "link", "delete", name], check=False)
        subprocess.run(["ip", "link", "delete", link], check=True)


@pytest.mark.needs("controllers2", "rdma", "compiler")
def test_handles_of_an_rdma_device_are_limited_and_counted(
    make: Make, rdma_device: str
) -> None:
    node = next(
        f"/dev/infiniband/{path.name}"
        for path in Path("/sys/class/infiniband_verbs").glob("uverbs*")
        if (path / "ibdev").read_text().strip() == rdma_device
    )
    limits = {rdma_device: "hca_handle=1 hca_object=40"}
    device = lc.host_device(node)
    with make({"devices": [*lc.Config().devices, device]}, rdma=limits) as box:
        args = ["/test_init", "--rdma", node, "--sleep", "1000"]
        process = box.run(lc.Process(args, stdout=lc.PIPE))
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"{")
        found = box.stats().rdma[rdma_device]
        assert (found.handles, found.handle_limit) == (1, 1)
        assert found.object_limit == 40
        with box.exec(lc.Process(["/test_init", "--rdma", node])) as other:
            assert other.wait() == lc.ExitStatus(code=errno.EAGAIN)
        box.update(lc.Resources(rdma={rdma_device: "hca_handle=2"}))
        with box.exec(lc.Process(["/test_init", "--rdma", node])) as other:
            assert other.wait() == lc.ExitStatus(code=0)
        process.kill()
        process.wait()
        process.close()


# -- the misc controller

STAND_IN = Path("/sys/module/misc_stand_in/parameters/charge")


@pytest.mark.needs("controllers2", "misc")
def test_a_resource_of_the_misc_controller_is_limited_and_counted(make: Make) -> None:
    capacity = Path("/sys/fs/cgroup/misc.capacity").read_text().split()
    assert capacity[:2] == ["sev", "16"]
    mounts = [lc.Mount.bind(STAND_IN, "/charge")]
    with make({"mounts": mounts}, misc={"sev": 3}) as box:
        box.run(SLEEPER)

        def charge(count: int) -> int:
            command = ["sh", "-c", f"echo {count} 2>/dev/null > /charge"]
            with box.exec(lc.Process(command, stderr=lc.DEVNULL)) as process:
                return process.wait().code or 0

        assert charge(2) == 0
        found = box.stats().misc["sev"]
        assert (found.usage, found.limit, found.failures) == (2, 3, 0)
        assert charge(2) != 0
        found = box.stats().misc["sev"]
        assert (found.usage, found.failures) == (2, 1)
        box.update(lc.Resources(misc={"sev": 4}))
        assert charge(2) == 0
        assert box.stats().misc["sev"].usage == 4
        assert charge(-4) == 0
        assert box.stats().misc["sev"].usage == 0
