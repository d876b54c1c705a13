# SPDX-License-Identifier: Apache-2.0
"""One launch of each contender, cold and tight."""

from __future__ import annotations

from benchmarks.bundle import make_bundle
from benchmarks.contenders import MAKERS, Field, gather
from benchmarks.launch import FASTER_THAN, FLOORS, ratios, summaries
from benchmarks.quiet import QuietGate
from benchmarks.sampling import Samples, sample_cold, sample_tight
from benchmarks.sections import Plot, Table, Told
from benchmarks.table import Cell

_TEXT = """\
Create, run `/bin/true`, wait and delete, timed in the program that asks for it. Every
row makes mount, pid, network, ipc and uts namespaces and the mounts, masked paths and
capabilities of `runc spec`; `cgroup` tells whether it makes a cgroup as well. Peers are
commands, started with `posix_spawn`. The floor is a C program with nothing but the
system calls. `X/x` is how many times faster than X the row is, `x/floor` how many
times the floor it takes, by medians."""


def measure(runs: int) -> Told:
    """Launch everything, interleaved."""
    told = Told("One launch", _TEXT)
    with make_bundle() as bundle, gather(list(MAKERS), bundle) as field:
        gate = QuietGate(patience_seconds=1.0)
        cold = sample_cold(field.contenders, max(runs // 2, 5), gate)
        tight = sample_tight(field.contenders, runs)
        for mode, samples in (("cold", cold), ("tight", tight)):
            told.tables.append(_table(mode, field, samples))
            told.plots.append(_plot(mode, samples))
        if gate.disturbed:
            told.text += f" {gate.disturbed} cold samples were taken on a busy machine."
        told.missing = dict(field.missing)
    return told


def _plot(mode: str, samples: Samples) -> Plot:
    medians = {name: figure.median for name, figure in summaries(samples).items()}
    shown = dict(sorted(medians.items(), key=lambda item: item[1]))
    return Plot(f"One launch, {mode} (median)", "ms", bars=shown)


def _table(mode: str, field: Field, samples: Samples) -> Table:
    figures = summaries(samples)
    present = {contender.name for contender in field.contenders}
    peers = [f"{peer}/x" for peer in FASTER_THAN if peer in present]
    floors = [f"x/{floor}" for floor in FLOORS if floor in present]
    rows: list[list[Cell]] = []
    for contender in field.contenders:
        own = figures.get(contender.name)
        against = ratios(figures, contender.name)
        rows.append(
            [
                contender.name,
                "made" if contender.cgroup else "none",
                own.count if own else 0,
                own.minimum if own else None,
                own.median if own else None,
                own.p95 if own else None,
                *(against[column] for column in (*peers, *floors)),
            ]
        )
    return Table(
        [mode, "cgroup", "n", "min ms", "median", "p95", *peers, *floors], rows
    )
