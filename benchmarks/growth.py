# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks growth`: what a large caller or host adds to a launch."""

from __future__ import annotations

import argparse
import json
import mmap
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

from benchmarks.bundle import make_bundle
from benchmarks.contender import Contender, MissingError
from benchmarks.contenders import MAKERS, Field, gather
from benchmarks.output import say
from benchmarks.quiet import QuietGate
from benchmarks.sampling import Samples, rotations
from benchmarks.stats import Summary, ratio, summarise
from benchmarks.table import Cell, format_table
from benchmarks.view import MS_BIND, count_mounts, mount, unmount

GIB = 1 << 30
ROUNDS = 3

Stage = Callable[[int], AbstractContextManager[None]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this benchmark."""
    parser.add_argument("what", choices=list(STAGES))
    parser.add_argument("--runs", type=int, default=30, help="samples of each stage")
    parser.add_argument("--tight", action="store_true", help="do not wait for quiet")
    parser.add_argument(
        "--only", action="append", choices=list(MAKERS), help="repeat for more"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write figures there")


@contextmanager
def grown_heap(gibibytes: int) -> Iterator[None]:
    """Hold that much touched memory, in small pages: the worst case for a fork."""
    size = gibibytes * GIB
    if size == 0:
        yield
        return
    available = _available_memory()
    if available < size + size // 4:
        raise MissingError(
            f"{gibibytes} GiB of heap where {available >> 20} MiB is free"
        )
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as heap:
        heap.madvise(mmap.MADV_NOHUGEPAGE)
        for start in range(0, size, mmap.PAGESIZE):
            heap[start] = 1
        yield


def _available_memory() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


@contextmanager
def grown_threads(count: int) -> Iterator[None]:
    """Hold that many idle threads."""
    end = threading.Event()
    threads = [threading.Thread(target=end.wait) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        end.set()
        for thread in threads:
            thread.join()


@contextmanager
def grown_mounts(count: int) -> Iterator[None]:
    """Raise the number of mounts in the (private) view to `count`, if it is lower."""
    with tempfile.TemporaryDirectory(prefix="libcontainer-bench-mounts-") as name:
        top = Path(name)
        mount("none", top, "tmpfs")
        try:
            for i in range(count - count_mounts()):
                target = top / str(i)
                target.mkdir()
                mount(str(target), target, flags=MS_BIND)
            yield
        finally:
            unmount(top)


# What grows: how to hold a stage, the stages, and who is measured by default.
STAGES: Mapping[str, tuple[Stage, tuple[int, ...], tuple[str, ...], str]] = (
    MappingProxyType(
        {
            "heap": (grown_heap, (0, 1, 4), ("ours", "subprocess"), "GiB of heap"),
            "threads": (grown_threads, (0, 50), ("ours", "subprocess"), "threads"),
            "mounts": (
                grown_mounts,
                (25, 525, 1525),
                ("ours", "floor", "floor-template", "crun"),
                "mounts",
            ),
        }
    )
)


def sample_stages(
    contenders: Sequence[Contender],
    hold: Stage,
    stages: Sequence[int],
    runs: int,
    gate: QuietGate | None,
) -> dict[int, Samples]:
    """Visit the stages in rounds, so that a noisy minute spreads over all of them."""
    samples = {stage: Samples() for stage in stages}
    for order in rotations(stages, ROUNDS):
        for stage in order:
            with hold(stage):
                for contender in contenders:
                    samples[stage].take(contender, keep=False)
                for turn in rotations(contenders, -(-runs // ROUNDS)):
                    for contender in turn:
                        if gate:
                            gate.wait()
                        samples[stage].take(contender)
    return samples


def growth_rows(
    names: Sequence[str], figures: Mapping[int, Mapping[str, Summary]]
) -> list[list[Cell]]:
    """Return a row for each name and stage, compared with the first stage. Pure."""
    rows: list[list[Cell]] = []
    first = next(iter(figures))
    for name in names:
        for stage, of in figures.items():
            own, base = of.get(name), figures[first].get(name)
            if own is None:
                rows.append([name, stage, 0, None, None, None, None, None])
                continue
            least = own.minimum / base.minimum if base and base.minimum else None
            rows.append(
                [
                    *(name, stage, own.count, own.minimum, own.median, own.p95),
                    *(least, ratio(own, base)),
                ]
            )
    return rows


def run(options: argparse.Namespace) -> int:
    """Measure, print the table; return the exit status."""
    hold, stages, usual, unit = STAGES[options.what]
    with make_bundle() as bundle, gather(options.only or usual, bundle) as field:
        gate = None if options.tight else QuietGate()
        taken = sample_stages(field.contenders, hold, stages, options.runs, gate)
        _report(options, field, taken, unit)
    return 0 if field.contenders else 1


def _report(
    options: argparse.Namespace, field: Field, taken: Mapping[int, Samples], unit: str
) -> None:
    figures = {
        stage: {
            name: summarise([value / 1000 for value in values])
            for name, values in samples.taken.items()
            if values
        }
        for stage, samples in taken.items()
    }
    head = ["tight" if options.tight else "cold", unit, "n", "min ms", "median", "p95"]
    names = [contender.name for contender in field.contenders]
    rows = growth_rows(names, figures)
    say(format_table([*head, "min/first", "median/first"], rows) + "\n")
    for name, reason in field.missing.items():
        say(f"missing: {name}: {reason}")
    if options.json:
        report = {
            name: {
                str(stage): asdict(of[name])
                for stage, of in figures.items()
                if name in of
            }
            for name in names
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n")
