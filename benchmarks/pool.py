# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks pool`: a hand-out of a warm pool, beside a launch."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from benchmarks.ours import import_library
from benchmarks.output import say
from benchmarks.quiet import QuietGate
from benchmarks.stats import summarise
from benchmarks.table import Cell, format_table

_BUDGET_MS = 0.4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this benchmark."""
    parser.add_argument("--runs", type=int, default=40, help="samples of each")
    parser.add_argument("--tight", action="store_true", help="do not wait for quiet")


def run(options: argparse.Namespace) -> int:
    """Measure up to the confirmed execution of /bin/true; print the table."""
    library = import_library()
    gate = None if options.tight else QuietGate()
    config, process = library.Config(), library.Process(["/bin/true"])
    factory = library.Factory()

    def launch(number: int) -> float:
        begin = time.perf_counter_ns()
        with factory.create(f"bench-{number}", config) as container:
            container.run(process)
            return (time.perf_counter_ns() - begin) / 1e6

    rows = [_row("create, run", _sample(launch, options.runs, gate))]
    # As many as are taken, so that no refill runs beside a sample.
    with library.Pool(config, process, options.runs, factory=factory) as pool:
        while pool.ready < options.runs:
            time.sleep(0.05)
        pool.pause()

        def take(_: int) -> float:
            begin = time.perf_counter_ns()
            container = pool.take()
            taken = (time.perf_counter_ns() - begin) / 1e6
            container.delete(force=True)
            return taken

        taken = _sample(take, options.runs, gate)
    rows.append(_row("Pool.take", taken))
    factory.close()
    mode = "tight" if options.tight else "cold"
    say(format_table([mode, "n", "min ms", "median ms"], rows))
    say(f"budget of Pool.take: {_BUDGET_MS} ms")
    return 0


def _sample(
    measure: Callable[[int], float], runs: int, gate: QuietGate | None
) -> list[float]:
    values = []
    for number in range(runs):
        if gate:
            gate.wait()
        values.append(measure(number))
    return values


def _row(name: str, values: list[float]) -> list[Cell]:
    own = summarise(values)
    return [name, own.count, own.minimum, own.median]
