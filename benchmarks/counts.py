# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks counts`: system calls, page faults and switches a launch.

Counted over the caller and every process it starts, the user's program too. A
contender is launched once and then eleven times, each time in a fresh interpreter;
a tenth of the difference is one launch, with nothing in it that is paid only once.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path

from benchmarks.bundle import Bundle, make_bundle
from benchmarks.contender import MissingError
from benchmarks.contenders import MAKERS, make_contender
from benchmarks.output import say
from benchmarks.peers import find_program
from benchmarks.table import Cell, format_table

FEW, MANY = 1, 11


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this benchmark."""
    parser.add_argument(
        "--only", action="append", choices=list(MAKERS), help="repeat for more"
    )
    # How this benchmark calls itself under strace.
    for name in ("--child", "--times", "--bundle"):
        parser.add_argument(name, help=argparse.SUPPRESS)


def total_calls(summary: str) -> int:
    """Return the total of `strace -c -U calls,name`. Pure.

    Raises:
        ValueError: the text has no total.
    """
    for line in summary.splitlines():
        words = line.split()
        if len(words) == 2 and words[1] == "total":
            return int(words[0])
    raise ValueError(f"no total in {summary!r}")


def _launch_in_child(name: str, times: int, bundle: Bundle) -> None:
    contender = make_contender(name, bundle)
    try:
        for _ in range(times):
            contender.launch()
    finally:
        contender.close()
    used = [
        resource.getrusage(who)
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    say(
        json.dumps(
            {
                "faults": sum(usage.ru_minflt for usage in used),
                "switches": sum(usage.ru_nvcsw for usage in used),
            }
        )
    )


def _child(name: str, times: int, bundle: Bundle, *prefix: str) -> str:
    command = [*prefix, sys.executable, "-m", "benchmarks", "counts"]
    command += ["--child", name, "--times", str(times)]
    command += ["--bundle", str(bundle.directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MissingError((done.stdout + done.stderr).strip().splitlines()[-1])
    return done.stdout


def count_calls(name: str, bundle: Bundle) -> float:
    """Return the system calls of one launch.

    Raises:
        MissingError: strace or the contender cannot run here.
    """
    strace = find_program("strace")
    output = bundle.directory / "strace"
    prefix = (strace, "-f", "-c", "-U", "calls,name", "-o", str(output))
    totals = []
    for times in (FEW, MANY):
        _child(name, times, bundle, *prefix)
        totals.append(total_calls(output.read_text()))
    return (totals[1] - totals[0]) / (MANY - FEW)


def count_usage(name: str, bundle: Bundle) -> dict[str, float]:
    """Return page faults and voluntary context switches of one launch.

    Raises:
        MissingError: the contender cannot run here.
    """
    few, many = (
        json.loads(_child(name, times, bundle).splitlines()[-1])
        for times in (FEW, MANY)
    )
    return {key: (many[key] - few[key]) / (MANY - FEW) for key in few}


def run(options: argparse.Namespace) -> int:
    """Count, print the table; return the exit status."""
    if options.child:
        bundle = Bundle(Path(options.bundle))
        _launch_in_child(options.child, int(options.times), bundle)
        return 0
    rows: list[list[Cell]] = []
    missing: dict[str, str] = {}
    with make_bundle() as bundle:
        for name in options.only or list(MAKERS):
            try:
                # What is made once, as the floor's program, is not counted.
                make_contender(name, bundle).close()
                used = count_usage(name, bundle)
                rows.append([name, None, used["faults"], used["switches"]])
                rows[-1][1] = count_calls(name, bundle)
            except MissingError as error:
                missing[name] = str(error)
    head = ["a launch", "system calls", "page faults", "voluntary switches"]
    say(format_table(head, rows) + "\n")
    for name, reason in missing.items():
        say(f"missing: {name}: {reason}")
    return 0 if rows else 1
