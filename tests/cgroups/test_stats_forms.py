# SPDX-License-Identifier: Apache-2.0
"""Statistics in the words of ``runc events`` and of ``nsinit stats`` of 1.2.0."""

from __future__ import annotations

import json
import os

from attrs import evolve

from libcontainer.cgroups.stats import (
    CpuStats,
    IoStats,
    MemoryStats,
    Stats,
)
from libcontainer.commands.stats_forms import nsinit_form, runc_form
from libcontainer.network.stats import InterfaceStats
from tests.cgroups.test_openmetrics import FULL


def test_the_form_of_runc_has_its_words() -> None:
    form = json.loads(json.dumps(runc_form(FULL)))
    assert form["cpu"]["usage"]["total"] == 1_500_000_000
    assert form["cpu"]["usage"]["percpu"] == [1_000_000_000, 500_000_000]
    assert form["memory"]["usage"]["limit"] == 8192
    assert form["memory"]["swap"]["limit"] == 2**64 - 1
    assert form["memory"]["psi"]["some"] == {
        "avg10": 1.25,
        "avg60": 0.0,
        "avg300": 0.0,
        "total": 2_000_000,
    }
    assert "psi" not in form["cpu"]
    assert form["pids"] == {"current": 3, "limit": 10}
    assert {"major": 8, "minor": 0, "op": "Read", "value": 7} in form["blkio"][
        "ioServiceBytesRecursive"
    ]
    assert "ioQueueRecursive" not in form["blkio"]
    assert form["network_interfaces"] == [
        {
            "Name": "eth0",
            "RxBytes": 1,
            "RxPackets": 2,
            "RxErrors": 3,
            "RxDropped": 4,
            "TxBytes": 5,
            "TxPackets": 6,
            "TxErrors": 7,
            "TxDropped": 8,
        }
    ]


def test_what_v1_has_no_limit_on_has_the_kernels_number() -> None:
    most = (2**63 - 1) // os.sysconf("SC_PAGESIZE") * os.sysconf("SC_PAGESIZE")
    memory = MemoryStats(usage=1, detail={"hierarchical_memory_limit": most})
    form = runc_form(Stats(memory=memory))["memory"]
    names = ("usage", "swap", "kernel", "kernelTCP")
    assert {form[name]["limit"] for name in names} == {most}
    assert runc_form(FULL)["memory"]["kernel"]["limit"] == 0


def test_the_loopback_is_no_interface_of_runc() -> None:
    link = InterfaceStats(1, 2, 3, 4, 5, 6, 7, 8)
    form = runc_form(Stats(interfaces={"lo": link, "eth0": link}))
    assert [item["Name"] for item in form["network_interfaces"]] == ["eth0"]
    assert runc_form(Stats(interfaces={"lo": link}))["network_interfaces"] is None


def test_a_device_that_is_counted_in_full_is_told_in_full() -> None:
    disk = IoStats(major=8, minor=0, queued_reads=1, cost_usage=2, sectors=3)
    blkio = runc_form(Stats(io=(disk,)))["blkio"]
    where = {"major": 8, "minor": 0}
    assert blkio["ioQueueRecursive"][0] == {**where, "op": "Read", "value": 1}
    assert blkio["ioCostUsage"] == [{**where, "value": 2}]
    assert blkio["sectorsRecursive"] == [{**where, "value": 3}]


def test_the_form_of_2014_has_its_words_the_misspelt_ones_too() -> None:
    later = evolve(FULL, time=1.0)
    before = Stats(time=0.0, cpu=CpuStats(usage=1_000_000_000))
    form = json.loads(json.dumps(nsinit_form(later, before)))
    cpu = form["cgroup_stats"]["cpu_stats"]
    assert cpu["cpu_usage"] == {
        "percent_usage": 50,
        "current_usage": 500_000_000,
        "total_usage": 1_500_000_000,
        "percpu_usage": [1_000_000_000, 500_000_000],
        "usage_in_kernelmode": 0,
        "usage_in_usermode": 0,
    }
    assert cpu["throlling_data"] == {}
    assert form["cgroup_stats"]["memory_stats"] == {"usage": 4096, "failcnt": 0}
    blkio = form["cgroup_stats"]["blkio_stats"]
    assert {"major": 8, "minor": 0, "op": "Write", "value": 4} in blkio[
        "io_serviced_recusrive"
    ]
    assert form["network_stats"]["rx_bytes"] == 1
    assert form["network_stats"]["tx_dropped"] == 8
