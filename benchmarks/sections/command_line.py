# SPDX-License-Identifier: Apache-2.0
"""The commands of an OCI runtime, each a process of its own."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bundle import PROGRAM, Bundle, make_bundle
from benchmarks.contender import MissingError
from benchmarks.ours import import_library
from benchmarks.peers import find_program
from benchmarks.quiet import QuietGate
from benchmarks.sections import Plot, Table, Told
from benchmarks.stats import summarise
from benchmarks.table import Cell

_TEXT = """\
Each command from its start to its end, on a bundle of its own with the configuration of
`runc spec`. CPU is what the command and what it waited for have used: it does not
depend on who else used the machine. A command of ours starts an interpreter, which is
measured beside it with nothing to do; `x/python` is how many times that a command
takes. runc is a program in Go, crun one in C."""
# As the installed command starts it.
_ALONE = [sys.executable, "-I", "-S", "-c", "pass"]
_VERBS = ("create", "state", "exec", "start", "kill", "delete", "run")


def measure(runs: int) -> Told:
    """Time every command of every runtime."""
    told = Told("The commands", _TEXT)
    with make_bundle() as bundle:
        bases = _bases(bundle, told)
        wait = _bundle_that_waits(bundle)
        taken: dict[tuple[str, str], list[tuple[float, float]]] = {}
        gate = QuietGate(patience_seconds=1.0)
        alone: list[tuple[float, float]] = []
        for number in range(max(runs // 3, 4) + 1):
            gate.wait()
            alone.append(_timed(_ALONE))
            for name, base in bases.items():
                gate.wait()
                found = _life(base, bundle.plain, wait, f"{name}-{number}")
                if number:
                    for verb, times in found.items():
                        taken.setdefault((name, verb), []).append(times)
    told.tables.append(_table(list(bases), taken, alone[1:]))
    bars = {
        f"{name} run": summarise([t for t, _ in taken[name, "run"]]).median
        for name in bases
        if (name, "run") in taken
    }
    told.plots.append(Plot("run of /bin/true as a command (median)", "ms", bars=bars))
    return told


def _table(
    names: Sequence[str],
    taken: dict[tuple[str, str], list[tuple[float, float]]],
    alone: list[tuple[float, float]],
) -> Table:
    start = summarise([wall for wall, _ in alone]).median
    rows = [_row("python alone", alone, start)]
    rows += [
        _row(f"{name} {verb}", taken[name, verb], start)
        for verb in _VERBS
        for name in names
        if (name, verb) in taken
    ]
    return Table(["command", "n", "min ms", "median", "CPU ms", "x/python"], rows)


def _row(name: str, values: list[tuple[float, float]], start: float) -> list[Cell]:
    own = summarise([wall for wall, _ in values])
    cpu = min(used for _, used in values)
    return [name, own.count, own.minimum, own.median, cpu, own.median / start]


def _bases(bundle: Bundle, told: Told) -> dict[str, list[str]]:
    import_library()
    installed = Path(sys.executable).with_name("libcontainer")
    module = [sys.executable, "-m", "libcontainer.commands.program"]
    command = [str(installed)] if installed.exists() else module
    found = {"ours": [*command, "--root", str(bundle.state("cli-ours"))]}
    for name, options in (
        ("crun", ["--cgroup-manager=cgroupfs"]),
        ("runc", []),
    ):
        try:
            program = find_program(name)
        except MissingError as error:
            told.missing[name] = str(error)
            continue
        root = str(bundle.state(f"cli-{name}"))
        found[name] = [program, "--root", root, *options]
    return found


def _bundle_that_waits(bundle: Bundle) -> Path:
    document = json.loads((bundle.plain / "config.json").read_text())
    document["process"]["args"] = ["/bin/busybox", "sleep", "1000"]
    folder = bundle.directory / "waiting"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(document))
    return folder


def _life(
    base: list[str], runs: Path, waits: Path, name: str
) -> dict[str, tuple[float, float]]:
    first, second = f"bench-{name}", f"bench-{name}-run"
    # As an engine does, and so that two of them give their code to the cache.
    return {
        "create": _timed([*base, "create", "--bundle", str(waits), first]),
        "state": _timed([*base, "state", first]),
        "start": _timed([*base, "start", first]),
        "exec": _timed([*base, "exec", first, PROGRAM]),
        "kill": _timed([*base, "kill", first, "KILL"]),
        "delete": _timed([*base, "delete", "--force", first]),
        "run": _timed([*base, "run", "--bundle", str(runs), second]),
    }


def _timed(command: list[str]) -> tuple[float, float]:
    """Return the milliseconds and the CPU milliseconds of a command."""
    null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3)]
    environment = {
        k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"
    }
    begin = time.perf_counter_ns()
    pid = os.posix_spawn(command[0], command, environment, file_actions=null)
    _, status, used = os.wait4(pid, 0)
    taken = (time.perf_counter_ns() - begin) / 1e6
    if status != 0:
        message = f"{' '.join(command)} ended with {status}"
        raise MissingError(message)
    return taken, (used.ru_utime + used.ru_stime) * 1000
