# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks import-time`: what importing the library adds to Python."""

from __future__ import annotations

import argparse
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

from benchmarks.contender import LaunchError
from benchmarks.ours import import_library
from benchmarks.output import say
from benchmarks.quiet import QuietGate
from benchmarks.sampling import rotations
from benchmarks.stats import summarise
from benchmarks.table import Cell, format_table

# What a program does first; each row holds what the one above it does not need.
STATEMENTS = {
    "bare python": "pass",
    "import libcontainer": "import libcontainer",
    "Config": "import libcontainer; libcontainer.Config",
    "Factory": "import libcontainer; libcontainer.Factory",
    "run": "import libcontainer; libcontainer.run",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this benchmark."""
    parser.add_argument("--runs", type=int, default=20, help="process starts of each")
    parser.add_argument("--tight", action="store_true", help="do not wait for quiet")


def _command(statement: str, paths: list[str]) -> list[str]:
    # -I -S leaves out site and its .pth files, which cost more than the interpreter
    # and are not ours; so the path is set by hand.
    code = f"import sys; sys.path[:0] = {paths!r}; {statement}"
    return [sys.executable, "-I", "-S", "-c", code]


def _time_start(command: list[str]) -> float:
    begin = time.perf_counter_ns()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    taken = time.perf_counter_ns() - begin
    if done.returncode != 0:
        raise LaunchError(done.stderr.strip())
    return taken / 1e6


def _loaded_modules(statement: str, paths: list[str]) -> int:
    command = _command(f"{statement}; print(len(sys.modules))", paths)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout)


def run(options: argparse.Namespace) -> int:
    """Measure, print the table; return the exit status."""
    library = import_library()
    home = str(Path(library.__path__[0]).parent)
    paths = list(dict.fromkeys([home, sysconfig.get_path("platlib")]))
    gate = None if options.tight else QuietGate()
    commands = {name: _command(code, paths) for name, code in STATEMENTS.items()}
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for command in commands.values():
        _time_start(command)
    for order in rotations(list(commands), options.runs):
        for name in order:
            if gate:
                gate.wait()
            taken[name].append(_time_start(commands[name]))
    bare = summarise(taken["bare python"])
    known = _loaded_modules("pass", paths)
    rows: list[list[Cell]] = []
    for name, values in taken.items():
        own = summarise(values)
        over = (own.minimum - bare.minimum, own.median - bare.median)
        modules = _loaded_modules(STATEMENTS[name], paths) - known
        rows.append([name, own.count, own.minimum, own.median, *over, modules])
    mode = "tight" if options.tight else "cold"
    head = [mode, "n", "min ms", "median", "min over bare", "median over bare"]
    say(format_table([*head, "modules loaded"], rows))
    return 0
