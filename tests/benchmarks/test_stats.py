# SPDX-License-Identifier: Apache-2.0
"""The pure parts of the benchmarks: what the tables say must be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.bundle import oci_config
from benchmarks.contender import LaunchError
from benchmarks.counts import total_calls
from benchmarks.growth import growth_rows
from benchmarks.launch import ratios, summaries
from benchmarks.network import BATCH, IP, NONE, VETH, network_table
from benchmarks.quiet import are_idle, parse_cpu_times
from benchmarks.sampling import Samples, rotations, sample_tight
from benchmarks.stats import Summary, percentile, ratio, summarise
from benchmarks.table import format_table


class Counter:
    """A contender that answers with how often it was asked, in milliseconds."""

    cgroup = False

    def __init__(self, name: str, fails_at: int = 0) -> None:
        self.name = name
        self.asked = 0
        self.fails_at = fails_at

    def launch(self) -> float:
        self.asked += 1
        if self.asked == self.fails_at:
            raise LaunchError("told to")
        return self.asked * 1000.0

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("samples", "percent", "expected"),
    [
        ([7.0], 95, 7.0),
        ([3.0, 1.0, 2.0], 50, 2.0),
        ([float(i) for i in range(1, 101)], 95, 95.0),
        ([float(i) for i in range(1, 21)], 95, 19.0),
        ([1.0, 2.0, 3.0], 100, 3.0),
    ],
)
def test_a_percentile_is_the_sample_of_nearest_rank(
    samples: list[float], percent: float, expected: float
) -> None:
    assert percentile(samples, percent) == expected


@pytest.mark.parametrize(("samples", "percent"), [([], 50), ([1.0], 0), ([1.0], 101)])
def test_a_percentile_of_nothing_or_out_of_range_is_refused(
    samples: list[float], percent: float
) -> None:
    with pytest.raises(ValueError, match="percent"):
        percentile(samples, percent)


def test_a_summary_does_not_depend_on_the_order_of_the_samples() -> None:
    expected = Summary(count=4, minimum=1.0, median=2.5, p95=9.0)
    assert summarise([9.0, 1.0, 3.0, 2.0]) == expected
    assert summarise([1.0, 2.0, 3.0, 9.0]) == expected


def test_a_ratio_compares_medians_and_is_none_when_one_is_missing() -> None:
    fast, slow = summarise([1.0, 2.0, 3.0]), summarise([5.0, 6.0, 70.0])
    assert ratio(slow, fast) == 3.0
    assert ratio(None, fast) is None
    assert ratio(slow, None) is None
    assert ratio(slow, summarise([0.0])) is None


def test_a_table_is_aligned_markdown_with_dashes_for_what_is_missing() -> None:
    assert format_table(["case", "ms"], [["a", 1.5], ["longer", None]]) == (
        "| case   |   ms |\n|--------|-----:|\n| a      | 1.50 |\n| longer |    - |"
    )


def test_a_table_refuses_a_row_of_another_length() -> None:
    with pytest.raises(ValueError, match="1 cells in a row under 2 heads"):
        format_table(["case", "ms"], [["a"]])


def test_a_launch_is_compared_with_peers_and_floor_by_medians() -> None:
    samples = Samples({"x": [2000.0], "crun": [8000.0], "floor": [1000.0], "none": []})
    figures = summaries(samples)
    assert set(figures) == {"x", "crun", "floor"}
    assert figures["x"].median == 2.0
    compared = ratios(figures, "x")
    assert compared["crun/x"] == 4.0
    assert compared["x/floor"] == 2.0
    assert compared["runc/x"] is None


def test_growth_is_told_against_the_first_stage() -> None:
    figures = {0: {"x": summarise([2.0, 4.0])}, 4: {"x": summarise([3.0, 9.0])}, 8: {}}
    rows = growth_rows(["x"], figures)
    assert rows[0] == ["x", 0, 2, 2.0, 3.0, 4.0, 1.0, 1.0]
    assert rows[1] == ["x", 4, 2, 3.0, 6.0, 9.0, 1.5, 2.0]
    assert rows[2] == ["x", 8, 0, None, None, None, None, None]


def test_each_turn_begins_with_another_contender() -> None:
    assert list(rotations("abc", 4)) == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]
    assert list(rotations([], 1)) == [[]]


def test_tight_blocks_drop_the_launches_that_warm_up() -> None:
    one, other = Counter("one"), Counter("other", fails_at=5)
    samples = sample_tight([one, other], runs=10)
    assert samples.taken["one"] == [i * 1000.0 for i in range(3, 13)]
    assert len(samples.taken["other"]) == 9
    assert samples.failed == {"other": 1}


def test_a_machine_is_quiet_only_if_each_cpu_was_idle() -> None:
    before = parse_cpu_times("cpu 9 0 0 9\ncpu0 0 0 0 10 0\ncpu1 5 0 0 10 0\nintr 1")
    assert before == [(10, 10), (10, 15)]
    assert are_idle(before, [(20, 20), (19, 25)], 0.9)
    assert not are_idle(before, [(20, 20), (18, 25)], 0.9)


def test_the_total_of_a_strace_summary_is_read() -> None:
    text = " calls syscall\n------ -------\n   12 mount\n------ -----\n   345 total\n"
    assert total_calls(text) == 345
    with pytest.raises(ValueError, match="no total"):
        total_calls("strace: attach failed")


def test_only_the_bundle_with_a_cgroup_asks_for_one() -> None:
    plain = oci_config(Path("/r"), cgroup=False)
    with_cgroup = oci_config(Path("/r"), cgroup=True)
    assert "/sys/fs/cgroup" not in str(plain["mounts"])
    assert "/sys/fs/cgroup" in str(with_cgroup["mounts"])
    assert plain["process"] == with_cgroup["process"]


def test_the_table_of_networks_says_what_a_veth_adds() -> None:
    times = {
        NONE: [(2.0, 0.5), (4.0, 1.5)],
        VETH: [(3.5, 10.5), (5.5, 11.5)],
        IP: [(12.0, 10.0)],
        BATCH: [(6.0, 9.0)],
    }
    *_, added, by_ip, by_batch = network_table(times).splitlines()
    assert added.split("|")[3:7] == [
        "       1.50 ",
        "   1.50 ",
        "        10.00 ",
        "  10.00 ",
    ]
    assert by_ip == f"{IP} takes 8.0 times what a veth adds"
    assert by_batch == f"{BATCH} takes 4.0 times what a veth adds"
