# SPDX-License-Identifier: Apache-2.0
"""The verbs of a container's life, each timed apart."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.bundle import PROGRAM, Bundle, make_bundle
from benchmarks.ours import import_library
from benchmarks.sections import Table, Told
from benchmarks.stats import Summary, summarise
from benchmarks.table import Cell

_TEXT = """\
In the calling program, by `Factory` and `Container`, without and with a cgroup. `start`
is from the call until the program has been executed: what is left of a launch for a
container that was prepared before. `exec` runs a further program in a running container
and waits for it."""
_SLEEP = ("/bin/sh", "-c", "read x")


def measure(runs: int) -> Told:
    """Time every verb."""
    told = Told("The verbs apart", _TEXT)
    with make_bundle() as bundle:
        for cgroups in ("disabled", "cgroupfs"):
            taken: dict[str, list[float]] = {}
            _measure_life(bundle, cgroups, runs, taken)
            _measure_exec(bundle, cgroups, runs, taken)
            figures = {name: summarise(values) for name, values in taken.items()}
            told.tables.append(_table(cgroups, figures))
    return told


def _table(cgroups: str, figures: dict[str, Summary]) -> Table:
    head = [f"verb, cgroups {cgroups}", "n", "min ms", "median", "p95"]
    rows: list[list[Cell]] = [
        [name, f.count, f.minimum, f.median, f.p95] for name, f in figures.items()
    ]
    return Table(head, rows)


def _timed(
    taken: dict[str, list[float]],
    name: str,
    call: Callable[..., Any],
    *args: object,
) -> Any:  # noqa: ANN401
    begin = time.perf_counter_ns()
    found = call(*args)
    taken.setdefault(name, []).append((time.perf_counter_ns() - begin) / 1e6)
    return found


def _measure_life(
    bundle: Bundle, cgroups: str, runs: int, taken: dict[str, list[float]]
) -> None:
    lc = import_library()
    factory = lc.Factory(str(bundle.state(f"life-{cgroups}")), cgroups=cgroups)
    config = lc.Config(rootfs=str(bundle.rootfs))
    for number in range(runs + 2):
        kept: dict[str, list[float]] = {} if number < 2 else taken
        box = _timed(kept, "create", factory.create, f"b{number}", config)
        try:
            handle = _timed(kept, "prepare", box.prepare, lc.Process([PROGRAM]))
            _timed(kept, "start", box.start)
            _timed(kept, "wait", handle.wait)
        finally:
            _timed(kept, "delete", box.delete)
    factory.close()


def _measure_exec(
    bundle: Bundle, cgroups: str, runs: int, taken: dict[str, list[float]]
) -> None:
    lc = import_library()
    with running(bundle, cgroups) as box:
        for number in range(runs + 2):
            kept: dict[str, list[float]] = {} if number < 2 else taken
            _timed(kept, "exec", lambda: box.exec(lc.Process([PROGRAM])).wait())


@contextlib.contextmanager
def running(bundle: Bundle, cgroups: str) -> Iterator[Any]:
    """A container of ours that waits for a line on its standard input."""
    lc = import_library()
    root = str(bundle.state(f"running-{cgroups}"))
    with lc.Factory(root, cgroups=cgroups) as factory:
        config = lc.Config(rootfs=str(bundle.rootfs))
        with factory.create("running", config) as box:
            handle = box.run(lc.Process(list(_SLEEP), stdin=lc.PIPE))
            try:
                yield box
            finally:
                handle.stdin.close()
