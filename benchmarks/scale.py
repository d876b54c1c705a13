# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks scale`: thousands of nodes on paper, from the cost of one.

Nothing is launched. What a container costs was measured (``COST`` says where); what a
node has are defaults of Linux. `limits` tells how much of each a number of containers
takes, `fill` replays how a scheduler fills a cluster whose nodes fail.
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.output import say
from benchmarks.table import Cell, format_table

SAMPLE = 1000
"""Nodes that are replayed; all others are like them."""


@dataclass(frozen=True)
class Cost:
    """What one container takes that runs a program and does nothing.

    Attributes:
        kernel_kib: slab, stack, page tables and per-processor memory of the kernel.
        own_kib: memory of the program alone.
        descriptors: that the caller keeps open.
        cgroups: directories; memory cgroups are one of them.
        record_bytes: of its state, on a tmpfs.
        launch_ms: with no other container there.
        launch_ms_each: more for each that is alive.
    """

    kernel_kib: float
    own_kib: float
    descriptors: int
    cgroups: int
    record_bytes: int
    launch_ms: float
    launch_ms_each: float


# Memory, descriptors, record: 300 containers that sleep, with a memory limit, on cgroup
# v1 with nine hierarchies, differences of /proc/meminfo. Launch: the first and the last
# of 1,000 that stay alive, on two busy cores (docs/reference/trust.md, Load).
COST = Cost(850, 30, 1, 9, 6072, 7.9, 0.022)


@dataclass(frozen=True)
class Node:
    """A machine, with what Linux and Debian give it.

    Attributes:
        memory_gib: for containers.
        launchers: launches at once. Two is what was measured; on more processors more
            is likely, but locks of the kernel are shared.
        descriptors: the soft limit of the caller.
        pids: ``kernel.pid_max``; systemd sets 4,194,304.
        memory_cgroups: ids are 16 bits in the kernel.
        bridge_ports: of one bridge, in the kernel.
    """

    memory_gib: float = 256
    launchers: int = 2
    descriptors: int = 1024
    pids: int = 32768
    memory_cgroups: int = 65535
    bridge_ports: int = 1023


@dataclass(frozen=True)
class Limit:
    """How much of something is taken."""

    name: str
    taken: float
    there: float

    @property
    def share(self) -> float:
        """The part of it that is taken; more than 1 cannot be."""
        return self.taken / self.there


def limits(cost: Cost, node: Node, count: int) -> list[Limit]:
    """Return what *count* containers take of a node, the scarcest first."""
    memory = count * (cost.kernel_kib + cost.own_kib + cost.record_bytes / 1024)
    found = [
        Limit("descriptors of the caller", count * cost.descriptors, node.descriptors),
        Limit("ports of one bridge", count, node.bridge_ports),
        Limit("processes", count, node.pids),
        Limit("memory cgroups", count, node.memory_cgroups),
        Limit("memory, MiB, with idle programs", memory / 1024, node.memory_gib * 1024),
    ]
    return sorted(found, key=lambda limit: -limit.share)


@dataclass(frozen=True)
class Filled:
    """How a cluster was filled.

    Attributes:
        seconds: until every container ran.
        scheduler_seconds: that the scheduler alone needed.
        node_seconds: that a node alone needed.
        waiting: launches that waited on one node at most.
        failures: of nodes, in the whole cluster.
        again: containers that were launched again.
    """

    seconds: float
    scheduler_seconds: float
    node_seconds: float
    waiting: int
    failures: int
    again: int


@dataclass(frozen=True)
class Cluster:
    """What is filled.

    Attributes:
        nodes: how many.
        each: containers for each node.
        rate: containers a second that the scheduler hands out in all.
        hours: mean time between failures of a node; 0 is never.
        seconds: until the scheduler sees that a node has failed, and it is back.
    """

    nodes: int
    each: int
    rate: float
    hours: float = 0
    seconds: float = 60


def fill(cluster: Cluster, cost: Cost, node: Node, seed: int = 1) -> Filled:
    """Replay how a scheduler fills a cluster, one launch after the other."""
    chance = random.Random(seed)
    sample = min(SAMPLE, cluster.nodes)
    ends, waits, failures, again = [], [], 0, 0
    for _ in range(sample):
        end, waiting, failed, lost = _one(cluster, cost, node, chance)
        ends.append(end)
        waits.append(waiting)
        failures += failed
        again += lost
    scale = cluster.nodes / sample
    return Filled(
        max(ends),
        cluster.nodes * cluster.each / cluster.rate,
        sum(_launches(cost, cluster.each)) / node.launchers,
        max(waits),
        round(failures * scale),
        round(again * scale),
    )


def _launches(cost: Cost, count: int) -> Iterator[float]:
    """Yield the seconds of each launch on an empty node."""
    return (
        (cost.launch_ms + alive * cost.launch_ms_each) / 1000 for alive in range(count)
    )


def _one(
    cluster: Cluster, cost: Cost, node: Node, chance: random.Random
) -> tuple[float, int, int, int]:
    """Fill one node; return when it is full, waiting at most, failures, lost."""
    gap = cluster.nodes / cluster.rate
    arrivals = [number * gap for number in range(cluster.each)]
    fails = (
        chance.expovariate(1 / (cluster.hours * 3600)) if cluster.hours else math.inf
    )
    failures = lost = most = 0
    while True:
        end, waiting, begun = _fill(arrivals, cost, node, fails)
        most = max(most, waiting)
        if end <= fails:
            return end, most, failures, lost
        # All of it is gone, and comes again when the scheduler has seen it.
        failures += 1
        lost += begun
        back = fails + cluster.seconds
        arrivals = [max(time, back) for time in arrivals]
        fails = back + chance.expovariate(1 / (cluster.hours * 3600))


def _fill(
    arrivals: list[float], cost: Cost, node: Node, fails: float
) -> tuple[float, int, int]:
    """Launch what arrives, until the node fails; return the end, waiting, launched."""
    free = [0.0] * node.launchers
    begins: list[float] = []
    end = 0.0
    waiting = first = 0
    for alive, arrived in enumerate(arrivals):
        begin = max(arrived, heapq.heappop(free))
        if begin >= fails:
            return math.inf, waiting, alive
        begins.append(begin)
        while begins[first] <= arrived and first < alive:
            first += 1
        waiting = max(waiting, alive - first)
        end = begin + (cost.launch_ms + alive * cost.launch_ms_each) / 1000
        heapq.heappush(free, end)
    return max(free), waiting, len(arrivals)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this benchmark."""
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 100, 10_000])
    parser.add_argument("--each", type=int, default=1000, help="containers a node")
    parser.add_argument("--rate", type=float, default=1000, help="handed out a second")
    parser.add_argument("--hours", type=float, default=1000, help="a node lives")


def run(options: argparse.Namespace) -> int:
    """Print both tables."""
    say(report(options.nodes, options.each, options.rate, options.hours))
    return 0


def report(nodes: list[int], each: int, rate: float, hours: float) -> str:
    """Return both tables."""
    taken: list[list[Cell]] = [
        [limit.name, f"{limit.taken:,.0f}", f"{limit.there:,.0f}", f"{limit.share:.1%}"]
        for limit in limits(COST, Node(), each)
    ]
    filled: list[list[Cell]] = []
    for count in nodes:
        found = fill(Cluster(count, each, rate, hours), COST, Node())
        seconds = (found.seconds, found.scheduler_seconds, found.node_seconds)
        row = [f"{count:,}", *(f"{value:,.1f}" for value in seconds)]
        row += [f"{found.waiting:,}", f"{found.failures:,}", f"{found.again:,}"]
        filled.append([*row])
    first = format_table([f"{each:,} on a node", "taken", "there", "share"], taken)
    titles = ["nodes", "full after s", "scheduler s", "node s"]
    titles += ["waiting", "failures", "again"]
    return f"{first}\n\n{format_table(titles, filled)}"
