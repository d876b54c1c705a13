# SPDX-License-Identifier: Apache-2.0
"""Each limit as the kernel has taken it: its own file tells, on v1 and on v2."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.cgroups.group import Group
from libcontainer.cgroups.hierarchy import read_hierarchies
from libcontainer.cgroups.io_cost import set_io_cost, set_io_cost_model
from tests import capabilities
from tests.root.conftest import new_id
from tests.root.realtime import RUNTIME, real_time

pytestmark = pytest.mark.needs("root", "rootfs")

Make = Callable[..., lc.Container]
SLEEPER = lc.Process(["sleep", "1000"])
MIB = 1 << 20
Case = tuple[dict[str, Any], dict[str, str]]

BOTH: list[tuple[dict[str, Any], dict[str, str], dict[str, str]]] = [
    ({"cpu_shares": 512}, {"cpu.shares": "512"}, {"cpu.weight": "59"}),
    (
        {"cpu_quota": 50000, "cpu_period": 200000, "cpu_burst": 20000},
        {
            "cpu.cfs_quota_us": "50000",
            "cpu.cfs_period_us": "200000",
            "cpu.cfs_burst_us": "20000",
        },
        {"cpu.max": "50000 200000", "cpu.max.burst": "20000"},
    ),
    ({"cpu_idle": 1}, {"cpu.idle": "1"}, {"cpu.idle": "1"}),
    (
        {"cpuset_cpus": "0", "cpuset_mems": "0"},
        {"cpuset.cpus": "0", "cpuset.mems": "0"},
        {"cpuset.cpus": "0", "cpuset.mems": "0", "cpuset.cpus.effective": "0"},
    ),
    (
        {"memory": "64M", "memory_swap": "96M"},
        {
            "memory.limit_in_bytes": str(64 * MIB),
            "memory.memsw.limit_in_bytes": str(96 * MIB),
        },
        {"memory.max": str(64 * MIB), "memory.swap.max": str(32 * MIB)},
    ),
    ({"pids": 77}, {"pids.max": "77"}, {"pids.max": "77"}),
]
OLD: list[Case] = [
    ({"memory_swappiness": 10}, {"memory.swappiness": "10"}),
    pytest.param(
        {"memory_reservation": "32M"},
        {"memory.soft_limit_in_bytes": str(32 * MIB)},
        marks=pytest.mark.needs("soft_limit"),
    ),
    pytest.param(
        {"blkio_weight": 500},
        {"blkio.bfq.weight": "500"},
        marks=pytest.mark.needs("bfq"),
    ),
    ({"disable_oom_killer": True}, {"memory.oom_control": "oom_kill_disable 1"}),
]
NEW: list[Case] = [
    ({"memory_reservation": "32M"}, {"memory.low": str(32 * MIB)}),
    (
        {"memory_high": "48M", "memory_low": "8M", "memory_min": "4M"},
        {
            "memory.high": str(48 * MIB),
            "memory.low": str(8 * MIB),
            "memory.min": str(4 * MIB),
        },
    ),
    ({"memory_swap_high": "16M"}, {"memory.swap.high": str(16 * MIB)}),
    ({"memory_zswap": "2M"}, {"memory.zswap.max": str(2 * MIB)}),
    ({"oom_group": True}, {"memory.oom.group": "1"}),
    (
        {"hugetlb": {"2MB": "4M"}},
        {"hugetlb.2MB.max": str(4 * MIB), "hugetlb.2MB.rsvd.max": str(4 * MIB)},
    ),
    ({"blkio_weight": 500}, {"io.weight": "default 4950"}),
    (
        {"unified": {"memory.high": "40M", "pids.max": "9"}},
        {"memory.high": str(40 * MIB), "pids.max": "9"},
    ),
    (
        {"cpuset_cpus": "1", "cpuset_partition": "root"},
        {"cpuset.cpus.partition": "root", "cpuset.cpus.effective": "1"},
    ),
]


@pytest.fixture
def make(factory: lc.Factory, busybox_rootfs: Path) -> Make:
    """Make a container with limits."""

    def create(**limits: Any) -> lc.Container:
        rootfs = lc.Overlay(str(busybox_rootfs))
        resources = lc.Resources(**limits)
        return factory.create(new_id(), lc.Config(rootfs=rootfs, resources=resources))

    return create


def held(box: lc.Container, wanted: dict[str, str]) -> dict[str, str]:
    """What the files of a container's cgroup say, the first line of each."""
    group = Group(box.state().cgroup)
    found = {}
    for file in wanted:
        directory = group.directory(file.partition(".")[0]) or ""
        lines = Path(directory, file).read_text().splitlines()
        found[file] = lines[0] if lines else ""
    return found


@pytest.mark.needs("cgroup1")
@pytest.mark.parametrize(
    ("limits", "wanted"), [(case[0], case[1]) for case in BOTH] + OLD, ids=str
)
def test_v1_holds_what_was_asked(
    make: Make, limits: dict[str, Any], wanted: dict[str, str]
) -> None:
    with make(**limits) as box:
        box.run(SLEEPER)
        assert held(box, wanted) == wanted


@pytest.mark.needs("controllers2")
@pytest.mark.parametrize(
    ("limits", "wanted"), [(case[0], case[2]) for case in BOTH] + NEW, ids=str
)
def test_v2_holds_what_was_asked(
    make: Make, limits: dict[str, Any], wanted: dict[str, str]
) -> None:
    with make(**limits) as box:
        box.run(SLEEPER)
        assert held(box, wanted) == wanted


@pytest.mark.needs("cgroup1")
def test_real_time_on_v1(make: Make) -> None:
    own = next(h for h in read_hierarchies().v1 if "cpu" in h.name.split(","))
    share = Path(f"{own.mount_point}{own.own}/cpu.rt_runtime_us")
    if not share.exists():
        pytest.skip("the kernel has no CONFIG_RT_GROUP_SCHED")
    before = share.read_text()
    if int(before) < RUNTIME:
        # Nobody above has given the tests a share yet.
        try:
            share.write_text(str(RUNTIME))
        except OSError:
            pytest.skip("others have all of the machine's real time")
    try:
        some = real_time().cpu_realtime_runtime
        with make(cpu_realtime_period=500_000, cpu_realtime_runtime=some) as box:
            box.run(SLEEPER)
            wanted = {"cpu.rt_period_us": "500000", "cpu.rt_runtime_us": str(some)}
            assert held(box, wanted) == wanted
            with pytest.raises(lc.CgroupError, match=r"cpu\.rt_runtime_us.*EINVAL"):
                box.update(lc.Resources(cpu_realtime_runtime=2_000_000))
            assert held(box, wanted) == wanted
    finally:
        share.write_text(before)


def test_a_throttled_device_is_slow(make: Make, tmp_path: Path) -> None:
    disk = os.stat(tmp_path).st_dev
    disks = [Path("/sys/block", name, "dev") for name in os.listdir("/sys/block")]
    numbers = {path.read_text().strip() for path in disks}
    whole = next((n for n in numbers if n.split(":")[0] != "7"), None)
    assert whole is not None or disk
    major, minor = map(int, (whole or "").split(":"))
    limit = lc.ThrottleDevice(major, minor, MIB)
    with make(
        blkio_throttle_read_bps=[limit], blkio_throttle_write_iops=[limit]
    ) as box:
        box.run(SLEEPER)
        group = Group(box.state().cgroup)
        if group.is_unified:
            text = Path(group.paths[""], "io.max").read_text()
            assert text == f"{whole} rbps={MIB} wbps=max riops=max wiops={MIB}\n"
        else:
            folder = group.directory("blkio") or ""
            for file in ("read_bps", "write_iops"):
                text = Path(folder, f"blkio.throttle.{file}_device").read_text()
                assert text == f"{whole} {MIB}\n"


@pytest.mark.needs("cgroup1")
def test_memory_grows_beyond_memory_and_swap_in_one_call(make: Make) -> None:
    with make(memory="32M", memory_swap="32M") as box:
        box.run(SLEEPER)
        both = {"memory.limit_in_bytes": "", "memory.memsw.limit_in_bytes": ""}
        for size in (64 * MIB, 16 * MIB, 128 * MIB):
            box.update(lc.Resources(memory=size, memory_swap=size))
            assert set(held(box, both).values()) == {str(size)}
        box.update(lc.Resources(memory=-1, memory_swap=-1))
        assert int(held(box, both)["memory.limit_in_bytes"]) > 1 << 60


@pytest.mark.needs("cgroup1")
def test_kernel_memory_is_passed_over_as_runc_does(make: Make) -> None:
    from libcontainer.config.container_reader import Reader
    from libcontainer.config.report import Report
    from libcontainer.oci.resources import read_resources

    warnings = Report()
    document = {"memory": {"limit": 64 * MIB, "kernel": MIB, "kernelTCP": MIB}}
    found = read_resources(Reader("", document, Report(), warnings))
    assert [problem.path for problem in warnings.problems] == [
        "memory.kernel",
        "memory.kernelTCP",
    ]
    with make(memory=found.memory) as box:
        assert box.run(lc.Process(["true"])).wait() == lc.ExitStatus(code=0)


@pytest.mark.needs("controllers2")
def test_less_memory_than_is_used_is_refused_if_that_is_checked(make: Make) -> None:
    with make(memory="256M") as box:
        hold = "x=$(head -c 33554432 /dev/zero | tr '\\0' x); echo done; sleep 1000; :"
        process = box.run(lc.Process(["sh", "-c", hold], stdout=lc.PIPE))
        assert process.stdout is not None
        assert process.stdout.readline() == b"done\n"
        used = int(held(box, {"memory.current": ""})["memory.current"])
        assert used > 16 * MIB
        with pytest.raises(lc.CgroupError, match="EBUSY") as caught:
            box.update(lc.Resources(memory="8M", memory_check_before_update=True))
        assert f"rejecting memory limit {8 * MIB} < usage" in str(caught.value)
        assert box.stats().memory.limit == 256 * MIB
        assert process.poll() is None


@pytest.mark.needs("controllers2")
def test_memory_is_taken_back_on_demand(make: Make) -> None:
    with make(memory="512M") as box:
        fill = (
            "head -c 50000000 /dev/urandom > /tmp/f; cat /tmp/f >/dev/null; echo; cat"
        )
        config_process = lc.Process(["sh", "-c", fill], stdin=lc.PIPE, stdout=lc.PIPE)
        process = box.run(config_process)
        assert process.stdout is not None
        process.stdout.readline()
        # Text of programs and files in the page cache can always go.
        assert box.reclaim("1M") >= 0
        with pytest.raises(ValueError, match="number of bytes"):
            box.reclaim("a lot")


@pytest.mark.needs("cgroup1")
def test_only_v2_takes_memory_back(make: Make) -> None:
    with make() as box:
        box.run(SLEEPER)
        with pytest.raises(lc.UnsupportedError, match=r"memory\.reclaim"):
            box.reclaim("1M")


@pytest.mark.needs("controllers2")
def test_a_partition_that_the_kernel_does_not_make_is_an_error(make: Make) -> None:
    # Every processor: nothing would be left for the rest of the machine.
    count = os.cpu_count() or 1
    with make(cpuset_cpus=f"0-{count - 1}", cpuset_partition="root") as box:
        with pytest.raises(lc.CgroupError, match=r"cpuset\.cpus\.partition") as caught:
            box.run(SLEEPER)
        assert "the kernel says: root invalid" in (caught.value.hint or "")


def _disk() -> tuple[str, int, int]:
    """Return a disk of the machine: ``major:minor``, and both as numbers."""
    skipped = ("loop", "ram", "nullb", "zram")
    name = next(n for n in os.listdir("/sys/block") if not n.startswith(skipped))
    number = Path("/sys/block", name, "dev").read_text().strip()
    major, minor = number.split(":")
    return number, int(major), int(minor)


@pytest.mark.needs("controllers2", "io_latency")
def test_a_latency_target_is_held(make: Make) -> None:
    number, major, minor = _disk()
    with make(io_latency=[lc.LatencyDevice(major, minor, 75000)]) as box:
        box.run(SLEEPER)
        file = Path(Group(box.state().cgroup).paths[""], "io.latency")
        assert file.read_text() == f"{number} target=75000\n"
        more = [lc.LatencyDevice(major, minor, 20000)]
        box.update(lc.Resources(io_latency=more))
        assert file.read_text() == f"{number} target=20000\n"


@pytest.mark.needs("controllers2")
def test_a_latency_target_is_refused_where_the_kernel_keeps_none(make: Make) -> None:
    if capabilities.lacking("io_latency") is None:
        pytest.skip("the kernel keeps them")
    _, major, minor = _disk()
    with make(io_latency=[lc.LatencyDevice(major, minor, 75000)]) as box:
        with pytest.raises(lc.CgroupError, match=r"io\.latency") as caught:
            box.run(SLEEPER)
        assert "this kernel has no io.latency" in (caught.value.hint or "")


@pytest.mark.needs("controllers2")
def test_the_machine_keeps_weights_by_cost() -> None:
    number, major, minor = _disk()
    set_io_cost(major, minor, enable=True, rpct=95, rlat=5000)
    try:
        (line,) = (
            ln
            for ln in Path("/sys/fs/cgroup/io.cost.qos").read_text().splitlines()
            if ln.startswith(f"{number} ")
        )
        assert "enable=1 ctrl=user rpct=95.00 rlat=5000" in line
        set_io_cost_model(major, minor, rbps=1000000, wbps=1000000)
        text = Path("/sys/fs/cgroup/io.cost.model").read_text()
        assert "ctrl=user model=linear rbps=1000000" in text
    finally:
        set_io_cost(major, minor, enable=False)
        set_io_cost_model(major, minor)
    with pytest.raises(ValueError, match="rtarget=1"):
        set_io_cost(major, minor, enable=True, rtarget=1)
    with pytest.raises(lc.CgroupError, match=r"io\.cost\.qos"):
        set_io_cost(4095, 1, enable=True)


@pytest.mark.needs("cgroup1")
def test_only_the_root_of_v2_has_costs() -> None:
    with pytest.raises(lc.UnsupportedError, match=r"io\.cost\.qos"):
        set_io_cost(8, 0, enable=True)


def test_a_quota_and_its_period_are_changed_apart(make: Make) -> None:
    with make(cpu_quota=50_000, cpu_period=200_000) as box:
        box.run(SLEEPER)

        def now() -> list[str]:
            if Group(box.state().cgroup).is_unified:
                return held(box, {"cpu.max": ""})["cpu.max"].split()
            files = {"cpu.cfs_quota_us": "", "cpu.cfs_period_us": ""}
            return list(held(box, files).values())

        box.update(lc.Resources(cpu_period=100_000))
        assert now() == ["50000", "100000"]
        box.update(lc.Resources(cpu_quota=60_000))
        assert now() == ["60000", "100000"]
        box.update(lc.Resources(cpu_quota=-1))
        assert now() in (["-1", "100000"], ["max", "100000"])
