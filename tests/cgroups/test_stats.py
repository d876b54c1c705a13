# SPDX-License-Identifier: Apache-2.0
"""Files of a cgroup to statistics, on directories that look like one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from attrs import evolve

from libcontainer.cgroups import stats_io as module
from libcontainer.cgroups.group import Group
from libcontainer.cgroups.openmetrics import openmetrics
from libcontainer.cgroups.reader import StatsReader, read_stats
from libcontainer.cgroups.stats import (
    CpuStats,
    HugetlbStats,
    IoStats,
    MiscStats,
    PidsStats,
    Pressure,
    RdmaStats,
    Stats,
    cpu_percent,
)
from libcontainer.cgroups.stats_io import parse_io_v2
from libcontainer.errors import CgroupError
from libcontainer.plan.unified import UNIFIED

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
    "memory.high": "3072\n",
    "memory.swap.peak": "640\n",
    "memory.swap.events": "high 0\nmax 9\nfail 1\n",
    "memory.numa_stat": "anon N0=4096 N2=8192\nfile N0=0 N1=12288\n",
    "rdma.current": "mlx4_0 hca_handle=2 hca_object=2000\n",
    "rdma.max": "mlx4_0 hca_handle=3 hca_object=max\nocrdma1 hca_handle=1\n",
    "misc.current": "sev 3\nsev_es 0\n",
    "misc.peak": "sev 4\n",
    "misc.max": "sev 10\nsev_es max\n",
    "misc.events": "sev.max 5\n",
    "irq.pressure": "full avg10=0.00 avg60=2.00 avg300=0.00 total=9\n",
    "pids.current": "3\n",
    "pids.max": "10\n",
    "pids.events": "max 4\n",
    "io.stat": "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n(unknown) x=1\n",
    "hugetlb.2MB.current": "2097152\n",
    "hugetlb.2MB.max": "max\n",
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
    "memory/memory.soft_limit_in_bytes": "3072\n",
    "memory/memory.memsw.max_usage_in_bytes": "640\n",
    "memory/memory.memsw.failcnt": "9\n",
    "memory/memory.kmem.tcp.usage_in_bytes": "5\n",
    "memory/memory.numa_stat": "total=3 N0=1 N1=2\nhierarchical_total=4 N0=4 N1=0\n",
    "cpuacct/cpuacct.usage_all": "cpu user system\n0 6000 4000\n1 15000 5000\n",
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
        per_cpu_user=(6000, 15_000),
        per_cpu_system=(4000, 5000),
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
    assert (memory.soft_limit, memory.swap_peak, memory.swap_failures) == (3072, 640, 9)
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


def test_nodes_are_in_bytes_and_a_node_without_memory_has_its_place(
    v1: Stats, v2: Stats
) -> None:
    page = os.sysconf("SC_PAGE_SIZE")
    assert v1.memory.numa == {
        "total": (page, 2 * page),
        "hierarchical_total": (4 * page, 0),
    }
    assert v2.memory.numa == {"anon": (4096, 0, 8192), "file": (0, 12288)}


def test_what_v2_alone_has(v2: Stats, v1: Stats) -> None:
    assert v2.memory.events == {"low": 0, "high": 0, "max": 6, "oom": 2, "oom_kill": 1}
    assert v2.rdma == {
        "mlx4_0": RdmaStats(handles=2, handle_limit=3, objects=2000, object_limit=None)
    }
    assert v2.misc == {
        "sev": MiscStats(usage=3, peak=4, limit=10, failures=5),
        "sev_es": MiscStats(usage=0),
    }
    assert v2.irq_pressure == Pressure(full_avg60=2.0, full_total=9)
    assert (v1.rdma, v1.misc, v1.memory.events) == ({}, {}, {})


def test_a_hybrid_has_of_each_version_what_it_counts(tmp_path: Path) -> None:
    _write(tmp_path, V1)
    beside = tmp_path / "unified"
    _write(tmp_path, {f"unified/{name}": text for name, text in V2.items()})
    names = ("cpu", "cpuacct", "memory", "pids", "blkio")
    paths = {name: str(tmp_path / name) for name in names}
    found = read_stats(Group({**paths, UNIFIED: str(beside)}))
    assert found.cpu.per_cpu == (10_000, 20_000)
    assert found.memory.detail == {"rss": 100}
    assert found.pids.limit is None
    # Not mounted as v1 here.
    assert found.hugetlb == {"2MB": HugetlbStats(usage=2 << 20, failures=8)}
    assert found.io_pressure is not None


COST = (
    "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6"
    " cost.vrate=104.50 cost.usage=7 cost.wait=8 cost.indebt=9 cost.indelay=10"
    " use_delay=0 delay_nsec=11 depth=12 avg_lat=13 win=14\n"
)


def test_the_costs_of_devices_are_in_nanoseconds() -> None:
    (found,) = parse_io_v2(COST)
    assert found == evolve(
        DISK,
        cost_vrate=104.5,
        cost_usage=7000,
        cost_wait=8000,
        cost_indebt=9000,
        cost_indelay=10_000,
        detail={
            "use_delay": 0,
            "delay_nsec": 11,
            "depth": 12,
            "avg_lat": 13,
            "win": 14,
        },
    )


def test_queues_and_times_are_those_of_a_scheduler_that_counts(tmp_path: Path) -> None:
    reads = "8:0 Read {}\n8:0 Write {}\n8:0 Sync 1\n8:0 Total 1\nTotal 1\n"
    files = {
        "io_queued": reads.format(1, 2),
        "io_merged": reads.format(3, 4),
        "io_service_time": reads.format(5, 6),
        "io_wait_time": reads.format(7, 8),
        "time": "8:0 9\n",
        "sectors": "8:0 10\n",
    }
    _write(tmp_path, {f"blkio.bfq.{n}_recursive": t for n, t in files.items()})
    found = read_stats(Group({"blkio": str(tmp_path)})).io
    assert found == (
        IoStats(
            major=8,
            minor=0,
            queued_reads=1,
            queued_writes=2,
            merged_reads=3,
            merged_writes=4,
            read_service_time=5,
            write_service_time=6,
            read_wait_time=7,
            write_wait_time=8,
            disk_time=9_000_000,
            sectors=10,
        ),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n \n",
        "max\n",
        "usage_usec\n",
        "usage_usec x\nusage_usec -\n = = =\n",
        "8:0 rbytes=x wbytes= rios==1 =\n:: rbytes=1\n8:-1 rbytes=2\n-1:0\n",
        "some avg10=nan avg60=inf avg300=-1 total=x\nfull\nother avg10=1\n",
        "anon N-1=1 N=2 N9999999999=3 Nx=4 N0=x\n",
        "mlx4_0 hca_handle hca_object=\n",
        "\u0662\n",
        "\0\x7f\ufffd 1 2 3\n" * 50,
        "key 1" + "0" * 5000 + "\n",
    ],
)
def test_odd_content_is_passed_over(tmp_path: Path, text: str) -> None:
    _write(tmp_path, dict.fromkeys(V2, text))
    found = read_stats(Group({UNIFIED: str(tmp_path)}))
    assert found.pids.limit is None
    assert all(p is None or p.some_avg10 == 0 for p in (found.cpu_pressure,))
    (tmp_path / "v1").mkdir()
    _write(tmp_path / "v1", dict.fromkeys(V1, text))
    names = ("cpu", "cpuacct", "memory", "pids", "blkio", "hugetlb")
    read_stats(Group({name: str(tmp_path / "v1" / name) for name in names}))
    assert openmetrics({"x": found}).endswith("# EOF\n")


def test_a_long_file_is_read_whole(tmp_path: Path) -> None:
    lines = "".join(f"8:{i} rbytes={i}\n" for i in range(3000))
    (tmp_path / "io.stat").write_text(lines)
    for found in (
        read_stats(Group({UNIFIED: str(tmp_path)})),
        StatsReader(Group({UNIFIED: str(tmp_path)})).read(),
    ):
        assert [disk.read_bytes for disk in found.io] == list(range(3000))


def test_a_share_of_a_processor_needs_two_moments() -> None:
    before = Stats(time=10.0, cpu=CpuStats(usage=1_000_000_000))
    after = Stats(time=12.0, cpu=CpuStats(usage=4_000_000_000))
    assert cpu_percent(before, after) == 150.0
    assert cpu_percent(after, before) == 0.0
    assert cpu_percent(before, before) == 0.0
    assert cpu_percent(after, Stats(time=13.0)) == 0.0
