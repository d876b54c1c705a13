# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks cgroups`: what making, entering and removing a cgroup adds.

Ours and the kernel's floor, on v1 and on v2, each against itself without a cgroup:
in time that passes, and in processor time of the caller and of what it has started.
The latter says something on a busy machine too, and in an emulated one.
"""

from __future__ import annotations

import argparse
import json
import resource
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.bundle import make_bundle
from benchmarks.contender import Contender
from benchmarks.contenders import gather
from benchmarks.output import say
from benchmarks.sampling import rotations
from benchmarks.table import Cell, format_table

BARE: Mapping[str, str] = {
    "ours-cgroup": "ours",
    "ours-cgroup2": "ours",
    "floor-cgroup": "floor-template",
    "floor-cgroup2": "floor-template",
}
"""Each with a cgroup, and the same without."""
_BLOCK = 10


@dataclass(frozen=True)
class Cost:
    """What one launch took, in microseconds.

    Attributes:
        elapsed: time that passed; the least of all.
        processor: processor time of the caller and its children; of the least block.
    """

    elapsed: float
    processor: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this benchmark."""
    parser.add_argument("--runs", type=int, default=200, help="launches of each")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write figures there")


def added(costs: Mapping[str, Cost]) -> dict[str, Cost]:
    """Return what each cgroup adds to a launch without. Pure."""
    return {
        name: Cost(
            costs[name].elapsed - costs[bare].elapsed,
            costs[name].processor - costs[bare].processor,
        )
        for name, bare in BARE.items()
        if name in costs and bare in costs
    }


def processor_time(contender: Contender) -> float:
    """Return the microseconds that it has used until now, with its children's."""
    if (told := getattr(contender, "processor_time", None)) is not None:
        return float(told())
    used = [
        resource.getrusage(who)
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    return sum(one.ru_utime + one.ru_stime for one in used) * 1e6


def measure(contenders: Sequence[Contender], runs: int) -> dict[str, Cost]:
    """Launch blocks of each in turn; return what the least of each took."""
    least: dict[str, list[float]] = {c.name: [] for c in contenders}
    blocks: dict[str, list[float]] = {c.name: [] for c in contenders}
    for order in rotations(contenders, -(-runs // _BLOCK)):
        for contender in order:
            before = processor_time(contender)
            for _ in range(_BLOCK):
                least[contender.name].append(contender.launch())
            spent = processor_time(contender) - before
            blocks[contender.name].append(spent / _BLOCK)
    return {name: Cost(min(times), min(blocks[name])) for name, times in least.items()}


def table(costs: Mapping[str, Cost]) -> str:
    """Return the figures and the differences. Pure."""
    head = ["", "min us", "processor us", "cgroup adds us", "adds processor us"]
    more = added(costs)
    rows: list[list[Cell]] = [
        [
            name,
            cost.elapsed,
            cost.processor,
            more[name].elapsed if name in more else None,
            more[name].processor if name in more else None,
        ]
        for name, cost in costs.items()
    ]
    return format_table(head, rows)


def run(options: argparse.Namespace) -> int:
    """Measure, print the table, write the JSON; return the exit status."""
    names = [*dict.fromkeys(BARE.values()), *BARE]
    with make_bundle() as bundle, gather(names, bundle) as field:
        costs = measure(field.contenders, options.runs)
        for name, reason in field.missing.items():
            say(f"missing: {name}: {reason}")
    say(table(costs))
    if options.json:
        found = {name: asdict(cost) for name, cost in costs.items()}
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0 if added(costs) else 1
