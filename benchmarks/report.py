# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks report`: everything, and the page that tells it.

A section that has been measured is kept as a file; a run that was interrupted goes on
with the next one. With `--write` the page and its plots are made of what is there.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path

from benchmarks.contender import LaunchError, MissingError
from benchmarks.output import say
from benchmarks.page import write_page
from benchmarks.sections import from_json, sections
from benchmarks.table import format_table

_TOP = Path(__file__).resolve().parents[1]
RESULTS = _TOP / "build" / "benchmarks"
PAGE = _TOP / "docs" / "reference" / "performance.md"
_QUICK_RUNS, _RUNS = 10, 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this benchmark."""
    names = list(sections())
    parser.add_argument("--only", action="append", choices=names, help="repeat")
    parser.add_argument("--quick", action="store_true", help="few samples of each")
    parser.add_argument("--fresh", action="store_true", help="measure all anew")
    parser.add_argument("--write", action="store_true", help="write the page")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE")


def run(options: argparse.Namespace) -> int:
    """Measure what is not there yet, write the page; return the exit status."""
    options.results.mkdir(parents=True, exist_ok=True)
    runs = _QUICK_RUNS if options.quick else _RUNS
    for name, measure in sections().items():
        file = options.results / f"{name}.json"
        if options.only and name not in options.only:
            continue
        if file.exists() and not options.fresh:
            say(f"{name}: measured before")
            continue
        begin = time.monotonic()
        try:
            told = measure(runs)
        except (MissingError, LaunchError) as error:
            say(f"{name}: cannot be measured: {error}")
            continue
        found = {
            "taken": time.strftime("%Y-%m-%d %H:%M"),
            "quick": options.quick,
            "machine": platform.uname()._asdict(),
            "told": told.to_json(),
        }
        file.write_text(json.dumps(found, indent=1) + "\n")
        say(f"{name}: {time.monotonic() - begin:.0f} s")
        for table in told.tables:
            say(format_table(table.head, table.rows) + "\n")
    if options.write:
        write_page(options.page, _measured(options.results))
        say(f"written: {options.page}")
    return 0


def _measured(results: Path) -> list[dict[str, object]]:
    found = []
    for name in sections():
        file = results / f"{name}.json"
        if file.exists():
            document = json.loads(file.read_text())
            found.append(
                {**document, "name": name, "told": from_json(document["told"])}
            )
    return found
