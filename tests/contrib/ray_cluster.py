# SPDX-License-Identifier: Apache-2.0
"""Sandboxes on four nodes, one of which is killed: prints what it saw as JSON.

Run by ``test_ray_cluster.py``: the image, how many, a folder for notes.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster
from ray.exceptions import RayActorError
from ray.experimental import sandbox

import libcontainer as lc
from libcontainer.contrib import ray as ours
from libcontainer.contrib import ray_sandbox

NODES, CPUS = 4, 3
MIB = 1 << 20
# Hardly less than the nodes have together, so that all of them are needed.
WANTED = 10.0
SECONDS = 900


def used() -> float:
    """Return the processor time of this process and its children, in seconds."""
    # With a hundred beside it on two processors, the clock on the wall tells nothing.
    return sum(os.times()[:4])


def make_hook(notes: str) -> Any:
    """Return a hook for workers: our backend, with a note of each launch."""

    def hook() -> None:
        class Noting(ray_sandbox.ContainerBackend):
            def create_sandbox(self, config: Any) -> str:
                began = used()
                made = super().create_sandbox(config)
                note = {
                    "cpu_ms": (used() - began) * 1000,
                    "node": ray.get_runtime_context().get_node_id(),
                    "pid": os.getpid(),
                }
                Path(notes, made).write_text(json.dumps(note))
                return made

        ray_sandbox.use()
        ray_sandbox.ray_runtime.GVisorSandboxBackend = Noting

    return hook


class Plain:
    """An actor without a container, to compare with."""

    def run(self, number: int) -> str:
        """Return the square as a sandbox prints it."""
        return f"{number * number}\n"


def start(notes: str) -> tuple[Cluster, list[Any]]:
    """Start the cluster; return it and its nodes but the head."""
    small = {"object_store_memory": 80 * MIB, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **small})
    nodes = [cluster.add_node(num_cpus=CPUS, **small) for _ in range(NODES)]
    ray.init(
        address=cluster.address,
        log_to_driver=False,
        runtime_env={"worker_process_setup_hook": make_hook(notes)},
    )
    cluster.wait_for_nodes()
    return cluster, nodes


def ask(boxes: list[Any], add: int) -> list[Any]:
    """Ask each for a square; return what it prints, or the name of its error."""
    asked = [
        box.exec.remote(f"echo $((({n} + {add}) * ({n} + {add})))", shell="/bin/sh")
        for n, box in enumerate(boxes)
    ]
    answers = []
    for one in asked:
        try:
            answers.append(ray.get(one, timeout=SECONDS).stdout)
        except RayActorError:
            answers.append("lost")
    return answers


def measure(image: str, count: int, seen: dict[str, Any]) -> list[Any]:
    """Make plain actors and then sandboxes; return these."""
    wanted = {"num_cpus": WANTED / count, "memory": 16 * MIB}
    plain = ray.remote(Plain).options(**wanted)
    began = time.monotonic()
    actors = [plain.remote() for _ in range(count)]
    ray.get([one.run.remote(n) for n, one in enumerate(actors)], timeout=SECONDS)
    seen["plain_seconds"] = time.monotonic() - began
    for one in actors:
        ray.kill(one)
    began = time.monotonic()
    boxes = [
        sandbox.create(image, cpu=WANTED / count, memory=16 * MIB) for _ in range(count)
    ]
    seen["said"] = ask(boxes, 0)
    seen["box_seconds"] = time.monotonic() - began
    return boxes


def ended(pids: list[int]) -> bool:
    """Wait until no process has these pids."""
    deadline = time.monotonic() + 60
    while any(os.path.exists(f"/proc/{pid}") for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def main() -> None:
    """Make them, kill a node, ask the others, delete them, look."""
    image, count, notes = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    seen: dict[str, Any] = {}
    cluster, nodes = start(notes)
    boxes = measure(image, count, seen)
    told = {path.name: json.loads(path.read_text()) for path in Path(notes).iterdir()}
    seen["launch_cpu_ms"] = statistics.median(one["cpu_ms"] for one in told.values())
    seen["nodes"] = len({one["node"] for one in told.values()})
    killed = nodes[0].node_id
    lost = {name: one for name, one in told.items() if one["node"] == killed}
    cluster.remove_node(nodes[0], allow_graceful=False)
    seen["lost"] = len(lost)
    seen["ended"] = ended([one["pid"] for one in lost.values()])
    seen["again"] = ask(boxes, 1000)
    with lc.Factory() as factory:
        seen["swept"] = sorted(ours.sweep(factory)) == sorted(lost)
        left = [box for box, said in zip(boxes, seen["again"], strict=True)
                if said != "lost"]  # fmt: skip
        ray.get([box.delete.remote() for box in left], timeout=SECONDS)
        seen["left"] = [box.id for box in factory.list()]
    groups = Path("/sys/fs/cgroup").rglob("libcontainer-ray-*")
    seen["groups"] = [str(path) for path in groups]
    ray.shutdown()
    cluster.shutdown()
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main()
