# SPDX-License-Identifier: Apache-2.0
"""Boxes on a cluster of several nodes: run by ``test_ray.py``, prints JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import ray
from ray.cluster_utils import Cluster

import libcontainer as lc
from libcontainer.contrib import ray as ours
from libcontainer.contrib.ray import Box

NODES = 3
BOXES = int(os.environ.get("BOXES", "12"))
MIB = 1 << 20


class Actor(Box):
    """A box that also tells where it is."""

    def place(self) -> list[Any]:
        """Return the node, the process and the container."""
        context = ray.get_runtime_context()
        return [context.get_node_id(), os.getpid(), self.container.id]


class Plain:
    """An actor without a container, to compare with."""

    def run(self, number: int) -> int:
        """Return the square."""
        return number * number


def square(number: int) -> list[str]:
    return ["sh", "-c", f"echo $(({number} * {number}))"]


def timed(kind: Any, count: int, ask: Any) -> tuple[float, list[Any], list[Any]]:
    """Make actors, ask each once; return how many a second, them, the answers."""
    began = time.monotonic()
    actors = [kind.remote(**ask[0]) for _ in range(count)]
    answers = ray.get([ask[1](one, n) for n, one in enumerate(actors)], timeout=300)
    return count / (time.monotonic() - began), actors, answers


def main() -> None:
    """Boxes over all nodes; a node is killed; look at what is left."""
    seen: dict[str, Any] = {}
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    nodes = [cluster.add_node(num_cpus=BOXES) for _ in range(NODES)]
    ray.init(address=cluster.address, log_to_driver=False)
    cluster.wait_for_nodes()
    plain = ray.remote(Plain).options(num_cpus=1, scheduling_strategy="SPREAD")
    box = ray.remote(Actor).options(
        num_cpus=1, memory=64 * MIB, scheduling_strategy="SPREAD"
    )
    rate, others, _ = timed(plain, BOXES, ({}, lambda one, n: one.run.remote(n)))
    for one in others:
        ray.kill(one)
    seen["plain_per_second"] = round(rate, 1)
    rate, boxes, done = timed(
        box,
        BOXES,
        ({"network": "none"}, lambda one, n: one.run.remote(square(n))),
    )
    seen["boxes_per_second"] = round(rate, 1)
    seen["squares"] = [int(one.stdout) for one in done]
    places = ray.get([one.place.remote() for one in boxes])
    seen["nodes"] = len({place[0] for place in places})
    seen["alone"] = ray.get(boxes[0].run.remote(["ps", "ax", "-o", "args"])).stdout
    seen["alone"] = seen["alone"].decode().splitlines()
    eats = "head -c 200000000 /dev/zero | tail -c 199999999 >/dev/null"
    seen["eaten"] = ray.get(boxes[0].run.remote(["sh", "-c", eats])).returncode
    seen["oom_kills"] = ray.get(boxes[0].stats.remote())["oom_kills"]
    after_a_node_is_killed(cluster, nodes[0], boxes, places, seen)
    ray.shutdown()
    cluster.shutdown()
    json.dump(seen, sys.stdout)


def after_a_node_is_killed(
    cluster: Cluster, node: Any, boxes: list[Any], places: list[Any], seen: Any
) -> None:
    """Kill a node; ask the others; close them; sweep."""
    killed = node.node_id
    cluster.remove_node(node, allow_graceful=False)
    there = [n for n, place in enumerate(places) if place[0] != killed]
    lost = [place[2] for place in places if place[0] == killed]
    seen["lost"] = len(lost)
    again = [boxes[n].run.remote(square(n + 100)) for n in there]
    seen["again"] = [int(one.stdout) for one in ray.get(again, timeout=60)]
    seen["expected_again"] = [(n + 100) ** 2 for n in there]
    deadline = time.monotonic() + 30
    while any(os.path.exists(f"/proc/{p[1]}") for p in places if p[0] == killed):
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    with lc.Factory() as factory:
        seen["stopped"] = sorted(
            box.id for box in factory.list() if box.status() is lc.Status.STOPPED
        ) == sorted(lost)
        seen["swept"] = sorted(ours.sweep(factory)) == sorted(lost)
        ray.get([boxes[n].close.remote() for n in there])
        seen["left"] = [box.id for box in factory.list()]


if __name__ == "__main__":
    main()
