# SPDX-License-Identifier: Apache-2.0
"""Many containers: alive at once, one after the other, joined over and over."""

from __future__ import annotations

import gc
import os
import resource
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import libcontainer as lc
from tests import leaks

MAX_GROWTH_KIB = 1024
WARM_CYCLES = 1000
WORKERS = 64
SLEEPER = lc.Process(["sleep", "1000000"], stdin=lc.DEVNULL, stdout=lc.DEVNULL,
                     stderr=lc.DEVNULL)  # fmt: skip

Verdict = tuple[dict[str, object], list[str]]


class Place:
    """Where containers are made.

    Args:
        root: of the factories.
        rootfs: of the containers.
    """

    def __init__(self, root: str | Path, rootfs: str | Path) -> None:
        self.root = Path(root)
        self.rootfs = Path(rootfs)
        self.root.mkdir(mode=0o700, exist_ok=True)
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def config(self) -> lc.Config:
        """Return the configuration of every container here."""
        return lc.Config(rootfs=lc.Overlay(str(self.rootfs)),
                         seccomp=lc.Seccomp.default())  # fmt: skip

    def run_one(self, factory: lc.Factory, name: str, code: int) -> None:
        """Make, run, wait for and delete one container.

        Raises:
            AssertionError: it did not end as it was told to.
        """
        process = lc.Process(["sh", "-c", f"exit {code}"], stdin=lc.DEVNULL)
        with (
            factory.create(name, self.config()) as container,
            container.run(process) as handle,
        ):
            assert handle.wait(30).code == code, (name, code)

    def inventory(self) -> leaks.Inventory:
        """List what there is now."""
        gc.collect()
        return leaks.take([self.root], [self.root.parent])

    def left(self, before: leaks.Inventory) -> list[str]:
        """Return what is there that was not."""
        watch = ([self.root], [self.root.parent])
        return leaks.settled(before, *watch, 20.0)[:20]


def alive(place: Place, count: int) -> Verdict:
    """So many containers alive at once from one process."""
    wrong = []
    with lc.Factory(place.root) as factory:
        fds, threads = _fds(), threading.active_count()
        times = []
        for number in range(count):
            begun = time.perf_counter()
            factory.create(f"box-{number}", place.config()).run(SLEEPER).close()
            times.append(time.perf_counter() - begun)
        figures: dict[str, object] = {
            "alive": sum(c.status() is lc.Status.RUNNING for c in factory),
            "descriptors each": round((_fds() - fds) / count, 2),
            "threads": threading.active_count() - threads,
            "first ms": _median(times[: count // 10 + 1]),
            "last ms": _median(times[-(count // 10 + 1) :]),
        }
        begun = time.perf_counter()
        for container in factory:
            container.delete(force=True)
        figures["delete ms"] = round((time.perf_counter() - begun) / count * 1000, 2)
    if figures["alive"] != count:
        wrong.append(f"{figures['alive']} of {count} were alive")
    if figures["threads"] != 0:
        wrong.append(f"{figures['threads']} threads")
    return figures, wrong


def cycles(place: Place, count: int) -> Verdict:
    """Run and delete, over and over, with nothing growing."""
    config = place.config()
    process = lc.Process(["true"], stdin=lc.DEVNULL)
    failures, seen = 0, list[dict[str, int]]()
    warm = min(WARM_CYCLES, count // 10)
    with lc.Factory(place.root) as factory:
        begun = time.perf_counter()
        for number in range(count):
            with (
                factory.create("box", config) as container,
                container.run(process) as handle,
            ):
                failures += handle.wait(30).code != 0
            if number == warm or (number + 1) % max(1, count // 20) == 0:
                seen.append(_footprint())
        taken = time.perf_counter() - begun
    first, last = seen[0], seen[-1]
    growth = {name: last[name] - first[name] for name in first}
    figures: dict[str, object] = {
        "cycles": count, "failures": failures,
        "ms each": round(taken / count * 1000, 3),
        **{f"growth {name}": value for name, value in growth.items()},
    }  # fmt: skip
    wrong = [f"{failures} failures"] if failures else []
    # A short run has hardly warmed up by its end.
    limit = MAX_GROWTH_KIB if count >= 2 * WARM_CYCLES else 8 * MAX_GROWTH_KIB
    wrong += [f"{name} grew by {n}" for name, n in growth.items()
              if n > (limit if name == "rss KiB" else 0)]  # fmt: skip
    return figures, wrong


def execs(place: Place, count: int) -> Verdict:
    """Processes that join one container, from many threads at once."""
    failures: list[str] = []
    with (
        lc.Factory(place.root) as factory,
        factory.create("box", place.config()) as container,
        ThreadPoolExecutor(WORKERS) as pool,
    ):
        container.run(SLEEPER).close()

        def join(number: int) -> None:
            code = number % 256
            words = lc.Process(["sh", "-c", f"exit {code}"], stdin=lc.DEVNULL)
            try:
                with container.exec(words) as handle:
                    status = handle.wait(60)
                if status.code != code:
                    failures.append(f"{status} instead of {code}")
            except (lc.LibcontainerError, OSError) as error:
                failures.append(f"{type(error).__name__}: {error}")

        begun = time.perf_counter()
        list(pool.map(join, range(count)))
        taken = time.perf_counter() - begun
    figures: dict[str, object] = {
        "execs": count, "workers": WORKERS, "failures": len(failures),
        "per second": round(count / taken, 1),
    }  # fmt: skip
    return figures, failures[:5]


def short_lives(place: Place, count: int) -> Verdict:
    """Programs that end at once: the exit code is right each time."""
    wrong = 0
    with lc.Factory(place.root) as factory:
        for number in range(count):
            try:
                place.run_one(factory, "box", number % 256)
            except AssertionError:
                wrong += 1
    return {"runs": count, "wrong codes": wrong}, ["a wrong code"] if wrong else []


def _fds() -> int:
    return len(os.listdir("/proc/self/fd"))


def _median(times: list[float]) -> float:
    return round(sorted(times)[len(times) // 2] * 1000, 3)


def _footprint() -> dict[str, int]:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    mounts = Path("/proc/self/mountinfo").read_text().count("\n")
    children = Path("/proc/thread-self/children").read_text().split()
    return {
        "rss KiB": pages * resource.getpagesize() // 1024,
        "fds": _fds(),
        "threads": threading.active_count(),
        "children": len(children),
        "mounts": mounts,
        "cgroups": sum(1 for _ in _own_groups()),
    }


def _own_groups() -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        if rest.startswith("cgroup"):
            base = fields.split()[4]
            for folder, _, _ in os.walk(base):
                if "libcontainer" in folder:
                    yield folder
