# SPDX-License-Identifier: Apache-2.0
"""Statistics as OpenMetrics text, read again by a parser that others wrote."""

from __future__ import annotations

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from libcontainer.cgroups.openmetrics import openmetrics
from libcontainer.cgroups.stats import (
    CpuStats,
    HugetlbStats,
    IoStats,
    MemoryStats,
    MiscStats,
    PidsStats,
    Pressure,
    RdmaStats,
    Stats,
)
from libcontainer.host.rdt import RdtStats
from libcontainer.network.stats import InterfaceStats

FULL = Stats(
    cpu=CpuStats(usage=1_500_000_000, per_cpu=(1_000_000_000, 500_000_000)),
    memory=MemoryStats(usage=4096, limit=8192, oom_kills=2, numa={"anon": (1, 2)}),
    pids=PidsStats(current=3, limit=10, failures=1),
    io=(IoStats(major=8, minor=0, read_bytes=7, writes=4),),
    hugetlb={"2MB": HugetlbStats(usage=2 << 20, failures=1)},
    rdma={"mlx4_0": RdmaStats(handles=2)},
    misc={"sev": MiscStats(usage=3)},
    memory_pressure=Pressure(some_avg10=1.25, some_total=2_000_000),
    interfaces={"eth0": InterfaceStats(1, 2, 3, 4, 5, 6, 7, 8)},
)


def values(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return every sample of a text, as the other parser understands it."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(text: str, name: str, **labels: str) -> float:
    return values(text)[f"libcontainer_{name}", frozenset(labels.items())]


def test_every_part_is_there() -> None:
    text = openmetrics({"box": FULL})
    box = {"container": "box"}
    assert value(text, "cpu_usage_seconds_total", **box) == 1.5
    assert value(text, "cpu_each_seconds_total", device="cpu1", **box) == 0.5
    assert value(text, "memory_usage_bytes", **box) == 4096
    assert value(text, "memory_numa_bytes", kind="anon", node="1", **box) == 2
    assert value(text, "oom_kills_total", **box) == 2
    assert value(text, "pids", **box) == 3
    assert value(text, "pids_limit_hits_total", **box) == 1
    assert value(text, "io_read_bytes_total", device="8:0", **box) == 7
    assert value(text, "hugetlb_usage_bytes", size="2MB", **box) == 2 << 20
    assert value(text, "rdma_handles", device="mlx4_0", **box) == 2
    assert value(text, "misc_usage", resource="sev", **box) == 3
    some = {"resource": "memory", "kind": "some", **box}
    assert value(text, "pressure_waiting_seconds_total", **some) == 2
    assert value(text, "pressure_percent", window="10s", **some) == 1.25
    assert value(text, "network_receive_bytes_total", interface="eth0", **box) == 1
    assert value(text, "network_transmit_drops_total", interface="eth0", **box) == 8


def test_a_family_stands_once_with_all_containers_in_it() -> None:
    text = openmetrics({"a": FULL, "b": FULL})
    heads = [line for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(heads) == len(set(heads)) > 25
    found = values(text)
    assert len(found) == 2 * len(values(openmetrics({"a": FULL})))
    # What has no value, as a limit that is none, has no sample.
    assert not any(name == "libcontainer_memory_peak_bytes" for name, _ in found)


def test_caches_and_the_memory_bus_are_told_by_domain() -> None:
    caches = RdtStats(
        llc_occupancy={"mon_L3_00": 4096, "mon_L3_01": 8192},
        mbm_total_bytes={"mon_L3_00": 70},
        mbm_local_bytes={"mon_L3_00": 50},
    )
    labels = {"box": {"app": "x"}}
    text = openmetrics({"box": Stats()}, labels, rdt={"box": caches, "bare": caches})
    first = {"domain": "mon_L3_00", "container": "box", "app": "x"}
    assert value(text, "rdt_memory_bytes_total", kind="total", **first) == 70
    assert value(text, "rdt_memory_bytes_total", kind="local", **first) == 50
    other = {"domain": "mon_L3_01", "container": "bare"}
    assert value(text, "rdt_llc_occupancy_bytes", **other) == 8192
    assert "rdt" not in openmetrics({"box": Stats()}, rdt={"box": RdtStats()})


def test_nothing_is_an_exposition_too() -> None:
    assert openmetrics({}) == "# EOF\n"


@pytest.mark.parametrize(
    "text", ['"', "\\", "\n", 'a"} 1\n# EOF\n', "\\n", "é\u2028", ',x="1"']
)
def test_labels_say_again_what_they_were_given(text: str) -> None:
    found = values(openmetrics({"box": Stats()}, labels={"box": {"app": text}}))
    assert {dict(labels)["app"] for _, labels in found} == {text}


def test_half_a_surrogate_pair_does_not_break_the_encoding() -> None:
    openmetrics({"box": Stats()}, labels={"box": {"app": "\ud800"}}).encode()


@pytest.mark.parametrize("name", ["", "0a", "a-b", "__a", "container", "device", "é"])
def test_a_label_that_is_not_allowed_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not allowed"):
        openmetrics({"box": Stats()}, labels={"box": {name: "x"}})
