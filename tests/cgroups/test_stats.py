# SPDX-License-Identifier: Apache-2.0
"""Files of a cgroup to statistics, on directories that look like one."""

from __future__ import annotations

from pathlib import Path

import pytest

from libcontainer.cgroups import stats_io as module
from libcontainer.cgroups.group import Group
from libcontainer.cgroups.reader import read_stats
from libcontainer.cgroups.stats import (
    CpuStats,
    HugetlbStats,
    IoStats,
    PidsStats,
    Pressure,
    Stats,
)
from libcontainer.errors import CgroupError
from libcontainer.plan.cgroup import UNIFIED

PRESSURE = (
    "some avg10=1.50 avg60=0.25 avg300=0.00 total=42\n"
    "full avg10=0.50 avg60=0.00 avg300=0.00 total=7\n"
)
V2 = {
    "cpu.stat": "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 5\n"
    "nr_throttled 2\nthrottled_usec 9\nnr_bursts 1\nburst_usec 3\n",
    "memory.current": "4096\n",
    "memory.peak": "8192\n",
    "memory.max": "max\n",
    "memory.swap.current": "512\n",
    "memory.swap.max": "1024\n",
    "memory.stat": "anon 100\nkernel 77\n",
    "memory.events": "low 0\nhigh 0\nmax 6\noom 2\noom_kill 1\n",
    "pids.current": "3\n",
    "pids.max": "10\n",
    "pids.events": "max 4\n",
    "io.stat": "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n(unknown) x=1\n",
    "hugetlb.2MB.current": "2097152\n",
    "hugetlb.2MB.events": "max 8\n",
    "cpu.pressure": PRESSURE,
    "memory.pressure": PRESSURE,
    "io.pressure": PRESSURE,
}
V1 = {
    "cpuacct/cpuacct.usage": "30000\n",
    "cpuacct/cpuacct.usage_percpu": "10000 20000 \n",
    "cpuacct/cpuacct.stat": "user 3\nsystem 2\n",
    "cpu/cpu.stat": "nr_periods 5\nnr_throttled 2\nthrottled_time 9000\n"
    "nr_bursts 1\nburst_time 3000\n",
    "memory/memory.usage_in_bytes": "4096\n",
    "memory/memory.max_usage_in_bytes": "8192\n",
    "memory/memory.limit_in_bytes": "9223372036854771712\n",
    "memory/memory.memsw.usage_in_bytes": "4608\n",
    "memory/memory.memsw.limit_in_bytes": "65536\n",
    "memory/memory.kmem.usage_in_bytes": "77\n",
    "memory/memory.failcnt": "6\n",
    "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
    "memory/memory.stat": "rss 100\n",
    "pids/pids.current": "3\n",
    "pids/pids.max": "max\n",
    "pids/pids.events": "max 4\n",
    "blkio/blkio.throttle.io_service_bytes": "8:0 Read 1\n8:0 Write 2\n"
    "8:0 Sync 9\n8:0 Discard 5\n8:0 Total 8\nTotal 8\n",
    "blkio/blkio.throttle.io_serviced": "8:0 Read 3\n8:0 Write 4\n8:0 Discard 6\n",
    "hugetlb/hugetlb.2MB.usage_in_bytes": "2097152\n",
    "hugetlb/hugetlb.2MB.max_usage_in_bytes": "4194304\n",
    "hugetlb/hugetlb.2MB.failcnt": "8\n",
}
DISK = IoStats(
    major=8,
    minor=0,
    read_bytes=1,
    write_bytes=2,
    reads=3,
    writes=4,
    discard_bytes=5,
    discards=6,
)


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


@pytest.fixture(autouse=True)
def sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the huge pages of the machine for one size."""
    monkeypatch.setattr(module, "huge_page_sizes", lambda: ("2MB",))


@pytest.fixture
def v2(tmp_path: Path) -> Stats:
    _write(tmp_path, V2)
    return read_stats(Group({UNIFIED: str(tmp_path)}))


@pytest.fixture
def v1(tmp_path: Path) -> Stats:
    _write(tmp_path, V1)
    names = ("cpu", "cpuacct", "memory", "pids", "blkio", "hugetlb")
    return read_stats(Group({name: str(tmp_path / name) for name in names}))


def test_processor_time_of_v2_is_in_nanoseconds(v2: Stats) -> None:
    assert v2.cpu == CpuStats(
        usage=30_000,
        user=20_000,
        system=10_000,
        periods=5,
        throttled_periods=2,
        throttled=9000,
        bursts=1,
        burst=3000,
    )


def test_processor_time_of_v1_is_in_nanoseconds_and_by_processor(v1: Stats) -> None:
    assert v1.cpu == CpuStats(
        usage=30_000,
        user=30_000_000,
        system=20_000_000,
        per_cpu=(10_000, 20_000),
        periods=5,
        throttled_periods=2,
        throttled=9000,
        bursts=1,
        burst=3000,
    )


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_memory_is_the_same_in_both(
    version: str, request: pytest.FixtureRequest
) -> None:
    memory = request.getfixturevalue(version).memory
    assert (memory.usage, memory.peak, memory.limit) == (4096, 8192, None)
    assert (memory.swap_usage, memory.kernel) == (512, 77)
    assert memory.swap_limit == {"v1": 65536, "v2": 1024}[version]
    assert (memory.failures, memory.oom_kills) == (6, 1)
    assert memory.detail[{"v1": "rss", "v2": "anon"}[version]] == 100


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_processes_and_devices_are_the_same_in_both(
    version: str, request: pytest.FixtureRequest
) -> None:
    found = request.getfixturevalue(version)
    limit = {"v1": None, "v2": 10}[version]
    assert found.pids == PidsStats(current=3, limit=limit, failures=4)
    assert found.io == (DISK,)
    peak = {"v1": 4 << 20, "v2": None}[version]
    huge = HugetlbStats(usage=2 << 20, peak=peak, failures=8)
    assert found.hugetlb == {"2MB": huge}


def test_pressure_is_that_of_the_kernel(v2: Stats, v1: Stats) -> None:
    pressure = Pressure(
        some_avg10=1.5, some_avg60=0.25, some_total=42, full_avg10=0.5, full_total=7
    )
    assert v2.cpu_pressure == v2.memory_pressure == v2.io_pressure == pressure
    assert v1.cpu_pressure is None


@pytest.mark.parametrize("names", [(UNIFIED,), ("cpu", "memory", "pids")])
def test_a_controller_that_is_not_there_leaves_its_part_empty(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    (tmp_path / "cpu.stat").write_text("")
    found = read_stats(Group({name: str(tmp_path) for name in names}))
    assert found == Stats()


def test_a_cgroup_that_is_gone_is_no_cgroup_at_rest(tmp_path: Path) -> None:
    with pytest.raises(CgroupError, match="ENOENT"):
        read_stats(Group({UNIFIED: str(tmp_path / "gone")}))
