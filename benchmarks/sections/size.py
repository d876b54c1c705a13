# SPDX-License-Identifier: Apache-2.0
"""What a container costs besides time."""

from __future__ import annotations

from pathlib import Path

from benchmarks import counts
from benchmarks.bundle import PROGRAM, make_bundle
from benchmarks.contender import MissingError
from benchmarks.contenders import make_contender
from benchmarks.ours import import_library
from benchmarks.sections import Table, Told
from benchmarks.table import Cell

_COUNTED = (
    "ours",
    "ours-cgroup",
    "ours-seccomp",
    "crun",
    "crun-cgroup",
    "runc",
    "bwrap",
)
_COUNTS = """\
System calls, page faults and voluntary context switches of one launch, of the caller
and all that it started, the program included. They do not depend on who else uses the
machine."""
_MEMORY = """\
A container that was prepared and waits for `start` is one process: RSS and PSS of it.
The smallest memory limit is that of a v1 cgroup in which `/bin/true` of busybox still
runs, of which the program itself needs about 112 KiB."""
_LIMITS = (128, 160, 192, 256, 320, 384, 512, 1024, 2048, 4096)


def measure_counts(runs: int) -> Told:
    """Count."""
    del runs
    told = Told("Counts", _COUNTS)
    rows: list[list[Cell]] = []
    with make_bundle() as bundle:
        for name in _COUNTED:
            try:
                make_contender(name, bundle).close()
                used = counts.count_usage(name, bundle)
                calls: float | None = counts.count_calls(name, bundle)
            except MissingError as error:
                told.missing[name] = str(error)
                continue
            rows.append([name, calls, used["faults"], used["switches"]])
    head = ["a launch", "system calls", "page faults", "voluntary switches"]
    told.tables.append(Table(head, rows))
    return told


def measure_memory(runs: int) -> Told:
    """Weigh the waiting init, and find the smallest limit."""
    del runs
    told = Told("Memory", _MEMORY)
    rows: list[list[Cell]] = []
    lc = import_library()
    with make_bundle() as bundle:
        config = lc.Config(rootfs=str(bundle.rootfs))
        factory = lc.Factory(str(bundle.state("memory")), cgroups="disabled")
        with factory, factory.create("waiting", config) as box:
            handle = box.prepare(lc.Process([PROGRAM]))
            for what in ("Rss", "Pss"):
                kib = _kib(handle.host_pid, what)
                rows.append([f"waiting init, {what.upper()}", kib])
        limit = _smallest_limit(bundle.state("limits"), str(bundle.rootfs))
        rows.append(["smallest memory limit", limit])
    told.tables.append(Table(["", "KiB"], rows))
    return told


def _kib(pid: int, what: str) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1])
    return 0


def _smallest_limit(root: Path, rootfs: str) -> int | None:
    lc = import_library()
    with lc.Factory(str(root), cgroups="auto") as factory:
        for kib in _LIMITS:
            limits = lc.Resources(memory=kib * 1024)
            try:
                config = lc.Config(rootfs=rootfs, resources=limits)
                with factory.create(f"limit-{kib}", config) as box:
                    if box.run(lc.Process([PROGRAM])).wait().code == 0:
                        return kib
            except lc.LibcontainerError:
                continue
    return None
