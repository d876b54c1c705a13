# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks alive`: what measuring, listing and deleting cost of many."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bundle import make_bundle
from benchmarks.ours import import_library
from benchmarks.output import say
from benchmarks.stats import summarise
from benchmarks.table import Cell, format_table

if TYPE_CHECKING:
    import libcontainer as lc

PASSES = 5
DELETED = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this benchmark."""
    parser.add_argument(
        "--alive", type=int, nargs="+", default=[10, 100, 1000], help="how many at once"
    )


def run(options: argparse.Namespace) -> int:
    """Measure at each stage; print the table; tell what is left at the end."""
    library = import_library()
    rows: list[list[Cell]] = []
    with make_bundle() as bundle, tempfile.TemporaryDirectory() as root:
        config = library.Config(rootfs=library.Overlay(str(bundle.rootfs)))
        sleeper = library.Process(["sh", "-c", "exec sleep 100000"])
        with library.Factory(root) as factory:
            alive: list[lc.Container] = []
            try:
                for stage in options.alive:
                    launches = _fill(factory, config, sleeper, alive, stage)
                    rows.append(_stage(factory, alive, launches))
            finally:
                paths = [p for box in alive for p in box.state().cgroup.values()]
                begin = time.perf_counter_ns()
                for box in alive:
                    box.delete(force=True)
                spent = (time.perf_counter_ns() - begin) / 1e6
            left = [path for path in paths if os.path.exists(path)]
            left += [box.id for box in factory.list()]
    heads = ["alive", "launch", "stats", "one stats", "list", "delete", "fds"]
    say(
        format_table(
            [f"{head} ms" if 0 < i < 6 else head for i, head in enumerate(heads)], rows
        )
    )
    say("of each container; stats is a pass of Factory.stats over all, by their number")
    say(f"deleted {len(alive)} in {spent:.0f} ms; left behind: {len(left)}")
    say(f"dying cgroups after 10 s: {_dying()}")
    return 1 if left else 0


def _fill(
    factory: lc.Factory,
    config: lc.Config,
    process: lc.Process,
    alive: list[lc.Container],
    stage: int,
) -> list[float]:
    times = []
    while len(alive) < stage:
        begin = time.perf_counter_ns()
        box = factory.create(f"alive-{len(alive)}", config)
        alive.append(box)
        box.run(process)
        times.append((time.perf_counter_ns() - begin) / 1e6)
    return times[-DELETED:]


def _stage(
    factory: lc.Factory, alive: list[lc.Container], launches: list[float]
) -> list[Cell]:
    count = len(alive)
    whole = _timed(factory.stats, count)
    ones = [_timed(box.stats, 1, passes=1)[0] for box in alive[:DELETED]]
    listed = _timed(factory.list, count)
    fds = len(os.listdir("/proc/self/fd")) / count
    deleted = []
    for _ in range(DELETED):
        box = alive.pop()
        deleted += _timed(lambda box=box: box.delete(force=True), 1, passes=1)
    return [
        count,
        summarise(launches).median,
        summarise(whole).median,
        summarise(ones).median,
        summarise(listed).median,
        summarise(deleted).median,
        round(fds, 2),
    ]


def _timed(work: Callable[[], object], count: int, passes: int = PASSES) -> list[float]:
    """Return how long each of some passes took, divided by *count*."""
    times = []
    for _ in range(passes):
        begin = time.perf_counter_ns()
        work()
        times.append((time.perf_counter_ns() - begin) / 1e6 / count)
    return times


def _dying() -> str:
    """Return how many cgroups are removed and still held, once they had time to go."""
    files = [
        Path("/sys/fs/cgroup/cgroup.stat"),
        Path("/sys/fs/cgroup/unified/cgroup.stat"),
    ]
    found = next((file for file in files if file.exists()), None)
    if found is None:
        return "not told by cgroup v1"
    time.sleep(10)
    lines = (line.split() for line in found.read_text().splitlines())
    return next(
        (words[1] for words in lines if words[0] == "nr_dying_descendants"), "?"
    )
