# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks pool`: a hand-out of a warm pool, beside a launch."""

from __future__ import annotations

import argparse

from benchmarks.bundle import make_bundle
from benchmarks.contender import Contender
from benchmarks.entering import OursPool
from benchmarks.launch import summaries
from benchmarks.ours import ByFactory
from benchmarks.output import say
from benchmarks.quiet import QuietGate
from benchmarks.sampling import sample_cold, sample_tight
from benchmarks.table import Cell, format_table

_BUDGET_MS = 0.4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this benchmark."""
    parser.add_argument("--runs", type=int, default=40, help="samples of each")
    parser.add_argument("--tight", action="store_true", help="do not wait for quiet")


def run(options: argparse.Namespace) -> int:
    """Measure up to the confirmed execution of /bin/true; print the table."""
    with make_bundle() as bundle:
        launch = ByFactory("launch", bundle, cgroup=True)
        take = OursPool("Pool.take", bundle, cgroup=True)
        contenders: list[Contender] = [launch, take]
        try:
            if options.tight:
                samples = sample_tight(contenders, options.runs)
            else:
                samples = sample_cold(contenders, options.runs, QuietGate())
        finally:
            take.close()
    rows: list[list[Cell]] = [
        [name, own.count, own.minimum, own.median]
        for name, own in summaries(samples).items()
    ]
    mode = "tight" if options.tight else "cold"
    say(format_table([mode, "n", "min ms", "median ms"], rows))
    say(f"budget of Pool.take: {_BUDGET_MS} ms")
    return 0
