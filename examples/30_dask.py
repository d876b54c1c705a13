# SPDX-License-Identifier: Apache-2.0
"""Dask: tasks in containers of their own, workers in cgroups; as root."""

from __future__ import annotations

import logging

import dask
from distributed import Client, LocalCluster

import libcontainer as lc
from libcontainer.contrib.dask import ContainerTasks, limit_workers


def double(number: int) -> int:
    """Compute something."""
    return 2 * number


def eat(count: int) -> int:
    """Take some MiB of memory."""
    return len(b"x" * (count << 20))


def main() -> None:
    """Ten small tasks, and one that takes too much."""
    # What a task raises is told by its future: the workers need not print it too.
    quiet = {"logging.distributed": "critical"}
    settings = {"distributed.logging": quiet, **quiet}
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=2,
            threads_per_worker=2,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        limit_workers(client, lc.Resources(memory=1 << 30))
        client.register_plugin(ContainerTasks(memory="64M", network="none"))
        with dask.annotate(executor="container"):
            print("sum:", sum(client.gather(client.map(double, range(10)))))
            error = client.submit(eat, 500).exception()
        print("ate too much:", error.verdict)


if __name__ == "__main__":
    main()
