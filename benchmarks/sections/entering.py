# SPDX-License-Identifier: Apache-2.0
"""A further process in a running container, and a hand-out of a warm pool."""

from __future__ import annotations

from benchmarks.bundle import make_bundle
from benchmarks.contenders import Field, gather
from benchmarks.entering import ENTERING
from benchmarks.launch import summaries
from benchmarks.quiet import QuietGate
from benchmarks.sampling import Samples, sample_cold, sample_tight
from benchmarks.sections import Table, Told
from benchmarks.table import Cell

_TEXT = """\
`exec` runs `/bin/true` in a container that is there and waits for it, in the calling
program; that of the peers is a command. `hand-out` is `Pool.take`, until the program
has been executed, one that goes on; tight, it comes two milliseconds after the last,
whose program has begun by then. The floor is a C program with nothing but the system
calls: the clone into the namespaces and cgroups that are there, or the word to a
process that is ready. `crun/x` is how many times faster than `crun exec` the row is,
with a cgroup or without, `x/floor` how many times the floor it takes, by medians."""
_AGAINST = {
    "exec": "crun-exec",
    "exec-cgroup": "crun-exec-cgroup",
    "runc-exec-cgroup": "crun-exec-cgroup",
}
_FLOORS = {
    "exec": "floor-exec",
    "exec-cgroup": "floor-exec-cgroup",
    "hand-out": "floor-hand-out",
    "hand-out-cgroup": "floor-hand-out",
}


def measure(runs: int) -> Told:
    """Sample all of them, interleaved."""
    told = Told("Into a container that is there", _TEXT)
    with make_bundle() as bundle, gather(list(ENTERING), bundle, ENTERING) as field:
        gate = QuietGate(patience_seconds=1.0)
        cold = sample_cold(field.contenders, max(runs // 2, 5), gate)
        tight = sample_tight(field.contenders, runs)
        for mode, samples in (("cold", cold), ("tight", tight)):
            told.tables.append(_table(mode, field, samples))
        told.missing = dict(field.missing)
    return told


def _table(mode: str, field: Field, samples: Samples) -> Table:
    figures = summaries(samples)
    rows: list[list[Cell]] = []
    for contender in field.contenders:
        own = figures.get(contender.name)
        if own is None:
            continue
        peer = figures.get(_AGAINST.get(contender.name, ""))
        floor = figures.get(_FLOORS.get(contender.name, ""))
        rows.append(
            [
                contender.name,
                own.count,
                own.minimum,
                own.median,
                own.p95,
                peer.median / own.median if peer else None,
                own.median / floor.median if floor else None,
            ]
        )
    return Table([mode, "n", "min ms", "median", "p95", "crun/x", "x/floor"], rows)
