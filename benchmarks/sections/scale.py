# SPDX-License-Identifier: Apache-2.0
"""Many containers: one after the other, at once, and alive at the same time."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any

from benchmarks.bundle import PROGRAM, Bundle, make_bundle
from benchmarks.contender import Contender, LaunchError, MissingError
from benchmarks.contenders import MAKERS, make_contender
from benchmarks.floor import Floor, FloorCrowd
from benchmarks.ours import import_library
from benchmarks.sections import Plot, Table, Told
from benchmarks.table import Cell

_TOGETHER = (1, 2, 8, 32)
_CROWDS: Mapping[str, Callable[[str, Bundle], FloorCrowd]] = MappingProxyType(
    {
        "floor": lambda name, bundle: FloorCrowd(name, bundle, "-T"),
        "floor-cgroup": lambda name, bundle: FloorCrowd(name, bundle, "-T", "-G"),
    }
)
_CONTENDERS = ("ours", "ours-cgroup", *_CROWDS, "crun", "crun-cgroup", "runc")
_ALIVE = (10, 100, 500, 2000)
_QUICK = 20
_THROUGHPUT = """\
A hundred launches of `/bin/true` by so many threads of one program at once. CPU is what
the program and all that it started used for one container. The floor is that of one
launch, from the kept template, so many processes of it at once: what the kernel can do,
with nobody else at work and no lock but its own."""
_LIVING = """\
So many containers without a cgroup are alive, each with a program that waits. Then one
more is launched, they are listed, and one of them is looked at and deleted. `floor` is
a launch by the C program at that moment, which tells how much the kernel's own work has
grown. `fds` and `KiB` are what each of them costs the program that holds it."""


def measure_throughput(runs: int) -> Told:
    """Launch a hundred, by ever more threads."""
    count = 100 if runs > _QUICK else 40
    told = Told("Many at once", _THROUGHPUT)
    rows: list[list[Cell]] = []
    plot = Plot("Containers a second", "1/s", x_label="threads")
    with make_bundle() as bundle:
        for name in _CONTENDERS:
            try:
                contender = make_contender(name, bundle, {**MAKERS, **_CROWDS})
            except MissingError as error:
                told.missing[name] = str(error)
                continue
            with contextlib.closing(contender):
                for threads in _TOGETHER:
                    seconds, cpu = _run_together(contender, threads, count)
                    rate = count / seconds
                    rows.append([name, threads, rate, cpu / count * 1000])
                    plot.lines.setdefault(name, []).append((threads, rate))
    told.tables.append(Table(["", "threads", "a second", "CPU ms each"], rows))
    told.plots.append(plot)
    return told


def _cpu_seconds(contender: Contender) -> float:
    if isinstance(contender, FloorCrowd):
        # Its processes have not ended, so that nobody has waited for them.
        return contender.processor_time() / 1e6
    used = [
        resource.getrusage(who)
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _run_together(
    contender: Contender, threads: int, count: int
) -> tuple[float, float]:
    before, begin = _cpu_seconds(contender), time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(contender.launch) for _ in range(count)]:
            done.result()
    return time.perf_counter() - begin, _cpu_seconds(contender) - before


def measure_alive(runs: int) -> Told:
    """Launch, look and delete beside ever more living containers."""
    stages = [n for n in _ALIVE if runs > _QUICK or n <= 100]
    told = Told("Many alive", _LIVING)
    rows: list[list[Cell]] = []
    plot = Plot("Beside living containers", "ms", x_label="alive")
    with make_bundle() as bundle:
        living = _Living(bundle)
        floor = Floor("floor", bundle, "-T")
        try:
            for stage in stages:
                living.grow(stage)
                found = living.measure(floor, max(runs // 2, 5))
                rows.append([str(stage), *found.values()])
                for name in ("launch", "floor", "state", "delete"):
                    plot.lines.setdefault(name, []).append((stage, found[name]))
        except (LaunchError, OSError) as error:
            told.missing["more"] = str(error)
        finally:
            floor.close()
            living.end()
    times = ("launch", "floor", "list", "state", "delete")
    head = ["alive", *(f"{name} ms" for name in times), "fds", "KiB"]
    told.tables.append(Table(head, rows))
    told.plots.append(plot)
    return told


class _Living:
    """Containers of ours that wait."""

    def __init__(self, bundle: Bundle) -> None:
        self._lc = import_library()
        root = str(bundle.state("alive"))
        self._factory = self._lc.Factory(root, cgroups="disabled")
        self._config = self._lc.Config(rootfs=str(bundle.rootfs))
        self._boxes: list[Any] = []
        self._wait, self._let_go = os.pipe()
        self._run("first", PROGRAM).delete(force=True)
        self._before = (_open_fds(), _own_kib())
        self._count = 0

    def _run(self, name: str, *args: str) -> Any:  # noqa: ANN401
        box = self._factory.create(name, self._config)
        box.run(self._lc.Process(list(args), stdin=self._wait))
        return box

    def grow(self, count: int) -> None:
        """Launch until so many are alive."""
        while len(self._boxes) < count:
            name = f"a{len(self._boxes)}"
            self._boxes.append(self._run(name, "/bin/sh", "-c", "read x"))

    def measure(self, floor: Floor, runs: int) -> dict[str, float]:
        """Return the milliseconds of each verb, and what a container costs."""
        alive = len(self._boxes)
        fds, kib = _open_fds() - self._before[0], _own_kib() - self._before[1]
        return {
            "launch": _median(runs, self._launch),
            "floor": _median(runs, floor.launch),
            "list": _median(3, self._factory.list),
            "state": _median(runs, self._boxes[0].state),
            "delete": _median(min(runs, 10), self._delete_one),
            "fds": fds / alive,
            "KiB": kib / alive,
        }

    def _launch(self) -> None:
        self._count += 1
        box = self._factory.create(f"m{self._count}", self._config)
        box.run(self._lc.Process([PROGRAM])).wait()
        box.delete()

    def _delete_one(self) -> None:
        self._boxes.pop().delete(force=True)

    def end(self) -> None:
        """End all of them."""
        os.close(self._let_go)
        os.close(self._wait)
        for box in self._boxes:
            box.delete(force=True)
        self._factory.close()


def _median(runs: int, call: Callable[[], Any]) -> float:
    taken = []
    for _ in range(runs):
        begin = time.perf_counter_ns()
        call()
        taken.append((time.perf_counter_ns() - begin) / 1e6)
    return sorted(taken)[len(taken) // 2]


def _open_fds() -> int:
    return len(os.listdir("/proc/self/fd"))


def _own_kib() -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))
