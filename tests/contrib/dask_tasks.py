# SPDX-License-Identifier: Apache-2.0
"""Tasks on a real cluster: run by ``test_dask.py``, says what it saw as JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import dask
from distributed import Client, LocalCluster

import libcontainer as lc
from libcontainer.cgroups.cgroup import Cgroup
from libcontainer.contrib.dask import ContainerTasks, limit_workers

MIB = 1 << 20


def about(number: int) -> dict[str, object]:
    return {
        "number": number,
        "pid": os.getpid(),
        "namespace": os.readlink("/proc/self/ns/pid"),
    }


def eat(count: int) -> int:
    return len(b"x" * (count * MIB))


def doubled(number: int) -> int:
    return 2 * number


def where() -> tuple[int, str]:
    with open("/proc/self/cgroup") as file:
        return os.getpid(), file.read()


def wait(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def groups_of_calls() -> list[str]:
    """Return the cgroups of calls below that of this worker."""
    (path,) = {
        str(Path(path).parent)
        for name, path in Cgroup.of(os.getpid()).group.paths.items()
        if name in {"pids", "unified"} and "dask-" in path
    }
    return [str(found) for found in Path(path).rglob("*call-*")]


def in_a_container(client: Client, seen: dict[str, object]) -> None:
    """Ask for containers by the annotation; one eats too much."""
    client.register_plugin(ContainerTasks(memory="64M", network="none", timeout=20))
    with dask.annotate(executor="container"):
        first = client.submit(about, 1)
        graph = dask.delayed(doubled)(dask.delayed(doubled)(5))
        error = client.submit(eat, 500).exception()
        seen["fused"] = client.compute(graph, optimize_graph=True).result()
        # What one task gives, the next takes; the arguments come from the worker.
        seen["chain"] = client.submit(doubled, client.submit(doubled, 3)).result()
    seen["inside"] = first.result()
    seen["outside"] = client.submit(about, 2).result()
    seen["eaten"] = [type(error).__name__, str(error.verdict)]
    seen["still"] = sorted(client.run(os.getpid).values())


def limits_of_workers(client: Client, seen: dict[str, object]) -> None:
    """Put each worker in a cgroup; kill one for memory; look again."""
    limit_workers(client, lc.Resources(memory=400 * MIB))
    seen["cgroups"] = list(client.run(where).values())
    error = client.submit(eat, 2000, retries=0).exception()
    seen["killed"] = type(error).__name__
    client.wait_for_workers(2, timeout=60)
    seen["again"] = list(client.run(where).values())


def main() -> None:
    """Run both, print."""
    seen: dict[str, object] = {}
    settings = {
        "distributed.scheduler.allowed-failures": 0,
        "distributed.worker.memory.terminate": False,
    }
    with dask.config.set(settings):
        cluster = LocalCluster(
            n_workers=2, threads_per_worker=2, dashboard_address=None, memory_limit=0
        )
        with cluster, Client(cluster) as client:
            seen["before"] = sorted(client.run(os.getpid).values())
            in_a_container(client, seen)
            limits_of_workers(client, seen)
            with dask.annotate(executor="container"):
                waits = client.submit(wait, 3)
                late = client.submit(wait, 60)
            time.sleep(1.5)
            seen["nested"] = [
                path for found in client.run(groups_of_calls).values() for path in found
            ]
            seen["waited"] = waits.result()
            seen["late"] = type(late.exception()).__name__
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main()
