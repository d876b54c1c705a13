# SPDX-License-Identifier: Apache-2.0
"""Limits to files: the tables of both versions."""

from __future__ import annotations

from typing import Any

import pytest

import libcontainer as lc
from libcontainer.cgroups import v1, v2
from libcontainer.cgroups.device_program import device_program
from libcontainer.cgroups.devices import default_rules, v1_rules
from libcontainer.cgroups.limits import (
    changed_rules,
    device_rules,
    limits,
    update_limits,
)
from libcontainer.cgroups.writes import AnyOf, DeviceFilter, Write
from libcontainer.plan.unified import UNIFIED

DISK = lc.ThrottleDevice(8, 16, 1000)

# Field, value, v1 writes, v2 writes; None where that version has no such limit.
CASES: list[tuple[str, object, list[str] | None, list[str] | None]] = [
    ("cpu_shares", 1024, ["cpu.shares=1024"], ["cpu.weight=100"]),
    ("cpu_quota", 50000, ["cpu.cfs_quota_us=50000"], ["cpu.max=50000 100000"]),
    ("cpu_quota", -1, ["cpu.cfs_quota_us=-1"], ["cpu.max=max 100000"]),
    ("cpu_period", 20000, ["cpu.cfs_period_us=20000"], ["cpu.max=max 20000"]),
    ("cpu_burst", 100, ["cpu.cfs_burst_us=100"], ["cpu.max.burst=100"]),
    ("cpu_idle", 1, ["cpu.idle=1"], ["cpu.idle=1"]),
    ("cpu_realtime_runtime", 5, ["cpu.rt_runtime_us=5"], None),
    ("cpu_realtime_period", 5, ["cpu.rt_period_us=5"], None),
    ("cpuset_cpus", [3, 1], ["cpuset.cpus=1,3"], ["cpuset.cpus=1,3"]),
    ("cpuset_mems", 0, ["cpuset.mems=0"], ["cpuset.mems=0"]),
    ("memory", "1M", ["memory.limit_in_bytes=1048576"], ["memory.max=1048576"]),
    (
        "memory",
        "max",
        ["memory.limit_in_bytes=-1", "memory.memsw.limit_in_bytes=-1"],
        ["memory.swap.max=max", "memory.max=max"],
    ),
    ("memory_reservation", 7, ["memory.soft_limit_in_bytes=7"], ["memory.low=7"]),
    ("memory_swappiness", 60, ["memory.swappiness=60"], None),
    ("disable_oom_killer", True, ["memory.oom_control=1"], None),
    ("memory_high", 9, None, ["memory.high=9"]),
    ("memory_low", 9, None, ["memory.low=9"]),
    ("memory_min", 9, None, ["memory.min=9"]),
    ("memory_zswap", -1, None, ["memory.zswap.max=max"]),
    ("memory_zswap_writeback", False, None, ["memory.zswap.writeback=0"]),
    ("oom_group", True, None, ["memory.oom.group=1"]),
    ("pids", 5, ["pids.max=5"], ["pids.max=5"]),
    ("pids", -1, ["pids.max=max"], ["pids.max=max"]),
    (
        "blkio_weight",
        500,
        ["blkio.bfq.weight=500|blkio.weight=500"],
        ["io.bfq.weight=500|io.weight=default 4950"],
    ),
    ("blkio_leaf_weight", 10, ["blkio.leaf_weight=10"], None),
    (
        "blkio_weight_devices",
        [lc.WeightDevice(8, 0, 100)],
        ["blkio.bfq.weight_device=8:0 100|blkio.weight_device=8:0 100"],
        ["io.bfq.weight=8:0 100|io.weight=8:0 910"],
    ),
    (
        "blkio_throttle_read_bps",
        [DISK],
        ["blkio.throttle.read_bps_device=8:16 1000"],
        ["io.max=8:16 rbps=1000"],
    ),
    (
        "blkio_throttle_write_iops",
        [lc.ThrottleDevice(8, 16, 0)],
        ["blkio.throttle.write_iops_device=8:16 0"],
        ["io.max=8:16 wiops=max"],
    ),
    (
        "hugetlb",
        {"2MB": "4M"},
        [
            "hugetlb.2MB.limit_in_bytes=4194304",
            "hugetlb.2MB.rsvd.limit_in_bytes=4194304",
        ],
        ["hugetlb.2MB.max=4194304", "hugetlb.2MB.rsvd.max=4194304"],
    ),
    (
        "rdma",
        {"mlx5_0": "hca_handle=2"},
        ["rdma.max=mlx5_0 hca_handle=2"],
        ["rdma.max=mlx5_0 hca_handle=2"],
    ),
    ("memory_swap_high", "1M", None, ["memory.swap.high=1048576"]),
    ("memory_check_before_update", True, [], []),
    ("cpuset_partition", "root", None, ["cpuset.cpus.partition=root"]),
    (
        "io_latency",
        [lc.LatencyDevice(8, 0, 75000)],
        None,
        ["io.latency=8:0 target=75000"],
    ),
    ("net_cls_classid", 0x10001, ["net_cls.classid=65537"], None),
    (
        "net_prio",
        {"eth0": 5, "lo": 1},
        ["net_prio.ifpriomap=eth0 5", "net_prio.ifpriomap=lo 1"],
        None,
    ),
    ("misc", {"sev": 3}, None, ["misc.max=sev 3"]),
    (
        "unified",
        {"memory.high": "5", "io.max": "8:0 rbps=1\n8:1 rbps=2"},
        None,
        ["memory.high=5", "io.max=8:0 rbps=1", "io.max=8:1 rbps=2"],
    ),
]


def told(write: Write) -> str:
    others = write.others if isinstance(write, AnyOf) else ()
    return "|".join(f"{one.file}={one.value}" for one in (write, *others))


@pytest.mark.parametrize(("name", "value", "old", "new"), CASES)
def test_a_limit_becomes_its_files(
    name: str, value: object, old: list[str] | None, new: list[str] | None
) -> None:
    resources = lc.Resources(**{name: value})  # type: ignore[arg-type]
    assert (name in v1.V2_ONLY) == (old is None)
    assert (name in v2.V1_ONLY) == (new is None)
    if old is not None:
        assert [told(w) for w in v1.writes(resources, ())] == old
    if new is not None:
        assert [told(w) for w in v2.writes(resources)] == new


def test_every_field_has_a_row_or_is_the_devices() -> None:
    named = {row[0] for row in CASES}
    fields = set(lc.Resources.__annotations__)
    # The other two throttles differ in one word; swap has a test of its own.
    others = {"blkio_throttle_write_bps", "blkio_throttle_read_iops"}
    assert fields - named == {"devices", "memory_swap"} | others


@pytest.mark.parametrize(
    ("shares", "weight"),
    [(0, 0), (2, 1), (3, 2), (1024, 100), (2048, 174), (262144, 10000), (10**7, 10000)],
)
def test_shares_follow_the_curve_through_both_defaults(
    shares: int, weight: int
) -> None:
    assert v2.shares_to_weight(shares) == weight


def test_more_shares_never_weigh_less() -> None:
    weights = [v2.shares_to_weight(shares) for shares in range(2, 262145, 97)]
    assert weights == sorted(weights)
    assert set(weights) <= set(range(1, 10001))


@pytest.mark.parametrize(
    ("memory", "total", "text"), [(10, 30, "20"), (10, 10, "0"), (10, -1, "max")]
)
def test_swap_is_what_the_total_leaves(memory: int, total: int, text: str) -> None:
    written = v2.writes(lc.Resources(memory=memory, memory_swap=total))
    assert (written[0].file, written[0].value) == ("memory.swap.max", text)


def test_an_idle_group_gets_no_weight() -> None:
    written = v2.writes(lc.Resources(cpu_shares=512, cpu_idle=1))
    assert [w.file for w in written] == ["cpu.idle"]


def test_the_controllers_are_those_of_the_files() -> None:
    resources = lc.Resources(memory=1, pids=1, cpu_shares=5, unified={"io.max": "x"})
    assert v2.controllers(resources) == {"memory", "pids", "cpu", "io"}


def test_rules_are_written_in_their_order() -> None:
    rules = (
        lc.DeviceRule(allow=True, type="c", major=1, minor=3, access="rw"),
        lc.DeviceRule(allow=False, type="b", major=8),
        lc.DeviceRule(allow=True),
    )
    assert v1_rules(rules) == (
        (True, "c 1:3 rw"),
        (False, "b 8:* rwm"),
        (True, "a"),
    )


def test_on_v2_a_program_stands_for_the_rules() -> None:
    (plain,) = limits(lc.Config(), {UNIFIED: "/x"})
    assert isinstance(plain, DeviceFilter)
    assert plain.optional
    deny = lc.Resources(devices=[lc.DeviceRule(allow=False, type="c", major=10)])
    (asked,) = limits(lc.Config(resources=deny), {UNIFIED: "/x"})
    assert isinstance(asked, DeviceFilter)
    # Who asks for less is told if it cannot be had.
    assert not asked.optional
    assert asked.program != plain.program


def test_rules_that_are_added_become_a_program_with_the_old_or_writes() -> None:
    rule = lc.DeviceRule(allow=True, type="c", major=10)
    rules = device_rules(lc.Config(), [rule])
    (program,) = changed_rules(rules, (rule,), {UNIFIED: "/x"})
    assert isinstance(program, DeviceFilter)
    assert program.program == device_program(rules)
    (write,) = changed_rules(rules, (rule,), {"devices": "/d", "pids": "/p"})
    assert (write.file, write.value) == ("devices.allow", "c 10:* rwm")


@pytest.mark.parametrize(
    ("now", "memory", "swap", "files"),
    [
        # What grows beyond memory and swap together comes after that has grown.
        ("100", 200, 300, ["memsw", "memory"]),
        ("100", 50, 80, ["memory", "memsw"]),
        ("100", 100, 100, ["memory", "memsw"]),
        ("100", -1, -1, ["memsw", "memory"]),
        ("9223372036854771712", 200, 300, ["memory", "memsw"]),
    ],
)
def test_memory_and_swap_are_written_in_an_order_that_the_kernel_takes(
    now: str, memory: int, swap: int, files: list[str]
) -> None:
    resources = lc.Resources(memory=memory, memory_swap=swap, pids=5)
    held = {"memory.memsw.limit_in_bytes": now}
    written = update_limits(resources, {"memory": "/m", "pids": "/p"}, held)
    names = [w.file.split(".")[1].removesuffix("_in_bytes") for w in written]
    order = ["memory" if n == "limit" else n for n in names if n != "max"]
    assert order == files
    assert len(written) == 3


HYBRID = {"memory": "/m", "cpu": "/c", "name=systemd": "/s", UNIFIED: "/u"}


def test_beside_v1_the_unified_hierarchy_has_the_rest() -> None:
    config = lc.Config(
        resources=lc.Resources(memory=5, cpu_shares=1024, pids=7, hugetlb={"2MB": 9})
    )
    found = limits(config, HYBRID)
    files = [write.file for write in found if not isinstance(write, DeviceFilter)]
    assert files == [
        "cpu.shares",
        "memory.limit_in_bytes",
        "pids.max",
        "hugetlb.2MB.max",
        "hugetlb.2MB.rsvd.max",
    ]
    # No devices controller on v1: the program decides.
    assert isinstance(found[-1], DeviceFilter)


@pytest.mark.parametrize(
    ("limit", "refused"),
    [
        ({"memory_high": 5}, True),
        ({"misc": {"sev": 1}}, False),
        ({"unified": {"memory.high": "5"}}, True),
        ({"unified": {"hugetlb.2MB.max": "5"}}, False),
        ({"memory_swappiness": 5}, False),
        ({"net_cls_classid": 5}, True),
    ],
)
def test_beside_v1_a_limit_needs_the_version_that_has_its_controller(
    limit: dict[str, Any], refused: bool
) -> None:
    config = lc.Config(resources=lc.Resources(**limit))
    if refused:
        with pytest.raises(lc.UnsupportedError):
            limits(config, HYBRID)
    else:
        assert limits(config, HYBRID)


def test_a_containers_own_nodes_are_allowed() -> None:
    fuse = lc.Device("/dev/fuse", "c", 10, 229)
    pipe = lc.Device("/dev/pipe", "p")
    rules = default_rules([fuse, pipe])
    assert rules[-1] == lc.DeviceRule(allow=True, type="c", major=10, minor=229)
    assert len(rules) == len(default_rules([])) + 1
