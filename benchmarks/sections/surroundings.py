# SPDX-License-Identifier: Apache-2.0
"""What a large program, or a host with many mounts, adds to a launch."""

from __future__ import annotations

from benchmarks.bundle import make_bundle
from benchmarks.contenders import gather
from benchmarks.growth import STAGES, growth_rows, sample_stages
from benchmarks.sections import Plot, Table, Told
from benchmarks.stats import summarise

_HEAP = """\
The caller holds that much touched memory, in small pages: the worst case for a fork,
which copies its page tables. A launch copies nothing of the caller."""
_THREADS = "The caller has that many idle threads."
_MOUNTS = """\
The host has that many mounts. From the second launch on a program starts from a kept
mount namespace that has none of them."""


def measure_heap(runs: int) -> Told:
    """Launch beside a growing heap."""
    return _measure("heap", "The caller's heap", _HEAP, runs)


def measure_threads(runs: int) -> Told:
    """Launch beside more and more threads."""
    return _measure("threads", "The caller's threads", _THREADS, runs)


def measure_mounts(runs: int) -> Told:
    """Launch on a host with more and more mounts."""
    return _measure("mounts", "The host's mounts", _MOUNTS, runs)


def _measure(what: str, title: str, text: str, runs: int) -> Told:
    hold, stages, names, unit = STAGES[what]
    told = Told(title, text)
    with make_bundle() as bundle, gather(names, bundle) as field:
        taken = sample_stages(field.contenders, hold, stages, runs, None)
        figures = {
            stage: {
                name: summarise([value / 1000 for value in values])
                for name, values in samples.taken.items()
                if values
            }
            for stage, samples in taken.items()
        }
        present = [contender.name for contender in field.contenders]
        head = ["tight", unit, "n", "min ms", "median", "p95"]
        told.tables.append(
            Table([*head, "min/first", "median/first"], growth_rows(present, figures))
        )
        lines = {
            name: [(float(stage), of[name].minimum) for stage, of in figures.items()]
            for name in present
            if all(name in of for of in figures.values())
        }
        told.plots.append(Plot(f"{title} (minimum)", "ms", lines=lines, x_label=unit))
        told.missing = dict(field.missing)
    return told
