# SPDX-License-Identifier: Apache-2.0
"""The cluster on paper: what can be told without a simulation must come out of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.scale import COST, Cluster, Cost, Node, fill, limits, report

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explain" / "scale.md"
EVEN = Cost(850, 30, 1, 9, 6072, launch_ms=10, launch_ms_each=0)


def test_the_page_says_what_the_program_says() -> None:
    assert report([1, 100, 10_000], 1000, 1000, 1000) in PAGE.read_text()


def test_what_is_taken_grows_with_the_containers() -> None:
    few = {limit.name: limit.share for limit in limits(COST, Node(), 100)}
    many = {limit.name: limit.share for limit in limits(COST, Node(), 300)}
    assert {name: many[name] / few[name] for name in few} == pytest.approx(
        dict.fromkeys(few, 3)
    )


def test_the_scarcest_is_first() -> None:
    small = Node(memory_gib=0.5)
    assert limits(COST, small, 1000)[0].name.startswith("memory,")
    assert limits(COST, small, 1000)[0].share > 1
    assert limits(COST, Node(descriptors=64), 100)[0].name.startswith("descriptors")


def test_a_node_that_nobody_keeps_waiting_takes_its_launches() -> None:
    found = fill(Cluster(1, 500, rate=1e9), EVEN, Node(launchers=2))
    assert found.seconds == pytest.approx(500 * 0.010 / 2, rel=0.01)
    assert found.node_seconds == pytest.approx(2.5)


def test_a_slow_scheduler_is_what_all_wait_for() -> None:
    found = fill(Cluster(1000, 50, rate=100), EVEN, Node())
    assert found.seconds == pytest.approx(found.scheduler_seconds, rel=0.03)
    assert found.waiting == 0


def test_launches_wait_where_a_node_is_slower_than_the_scheduler() -> None:
    # 200 a second come, 100 go.
    found = fill(Cluster(1, 400, rate=200), EVEN, Node(launchers=1))
    assert found.waiting == pytest.approx(200, abs=3)
    assert found.seconds == pytest.approx(4, rel=0.01)


def test_launches_are_slower_with_many_alive() -> None:
    slower = Cost(850, 30, 1, 9, 6072, launch_ms=10, launch_ms_each=0.1)
    one = Node(launchers=1)
    found = fill(Cluster(1, 100, rate=1e9), slower, one)
    assert found.seconds == pytest.approx(1 + 0.0001 * (99 * 100 / 2), rel=0.01)


def test_failures_are_made_good_and_cost_time() -> None:
    calm = Cluster(100, 100, rate=1)
    stormy = Cluster(100, 100, rate=1, hours=2)
    quiet, loud = (fill(cluster, EVEN, Node()) for cluster in (calm, stormy))
    assert (quiet.failures, quiet.again) == (0, 0)
    # 10,000 seconds of 100 nodes that fail every two hours.
    assert loud.failures == pytest.approx(139, rel=0.3)
    assert loud.again > loud.failures
    assert loud.seconds >= quiet.seconds


def test_the_same_seed_gives_the_same_cluster() -> None:
    cluster = Cluster(300, 20, rate=10, hours=1)
    assert fill(cluster, COST, Node(), 3) == fill(cluster, COST, Node(), 3)
    assert fill(cluster, COST, Node(), 3) != fill(cluster, COST, Node(), 4)
