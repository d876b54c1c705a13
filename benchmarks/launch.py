# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks launch`: one launch of each contender, against the others."""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from benchmarks.bundle import make_bundle
from benchmarks.contenders import MAKERS, Field, gather
from benchmarks.output import say
from benchmarks.quiet import QuietGate
from benchmarks.sampling import Samples, sample_cold, sample_tight
from benchmarks.stats import Summary, ratio, summarise
from benchmarks.table import Cell, format_table

# How many times faster than each of these, and how many times the floor.
FASTER_THAN = ("crun", "crun-cgroup", "runc", "bwrap")
FLOORS = ("floor", "floor-template", "floor-cgroup")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this benchmark."""
    parser.add_argument("--runs", type=int, default=30, help="samples of each")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--cold", action="store_true", help="only after a quiet machine")
    mode.add_argument("--tight", action="store_true", help="only back to back")
    parser.add_argument(
        "--only", action="append", choices=list(MAKERS), help="repeat for more"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write figures there")


def summaries(samples: Samples) -> dict[str, Summary]:
    """Return the figures, in milliseconds, of each that had a sample. Pure."""
    return {
        name: summarise([value / 1000 for value in values])
        for name, values in samples.taken.items()
        if values
    }


def ratios(figures: Mapping[str, Summary], name: str) -> dict[str, float | None]:
    """Return `name` compared by medians: peer/name and name/floor. Pure."""
    own = figures.get(name)
    compared = {f"{peer}/x": ratio(figures.get(peer), own) for peer in FASTER_THAN}
    return compared | {f"x/{floor}": ratio(own, figures.get(floor)) for floor in FLOORS}


def launch_table(title: str, field: Field, samples: Samples) -> str:
    """Return the table of one mode, with those that are missing below it. Pure."""
    figures = summaries(samples)
    present = {contender.name for contender in field.contenders}
    head = [title, "cgroup", "n", "min ms", "median", "p95", "failed"]
    compared = [f"{peer}/x" for peer in FASTER_THAN if peer in present] + [
        f"x/{floor}" for floor in FLOORS if floor in present
    ]
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
                samples.failed.get(contender.name, 0),
                *(against[column] for column in compared),
            ]
        )
    return format_table([*head, *compared], rows)


def run(options: argparse.Namespace) -> int:
    """Measure, print the tables, write the JSON; return the exit status."""
    names = options.only or list(MAKERS)
    report: dict[str, object] = {"machine": platform.uname()._asdict()}
    with make_bundle() as bundle, gather(names, bundle) as field:
        gate = QuietGate()
        for mode in ("cold", "tight"):
            if (options.cold or options.tight) and not getattr(options, mode):
                continue
            if mode == "cold":
                samples = sample_cold(field.contenders, options.runs, gate)
            else:
                samples = sample_tight(field.contenders, options.runs)
            say(launch_table(mode, field, samples) + "\n")
            figures = summaries(samples)
            report[mode] = {
                name: asdict(figure) | ratios(figures, name)
                for name, figure in figures.items()
            }
        if gate.disturbed:
            say(f"{gate.disturbed} cold samples were taken on a busy machine\n")
        for name, reason in field.missing.items():
            say(f"missing: {name}: {reason}")
        report["missing"] = dict(field.missing)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if field.contenders else 1
