# SPDX-License-Identifier: Apache-2.0
"""What the program and the machine around a launch may cost it: nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import libcontainer as lc
from tests.campaigns.loads import Place, Verdict

MOUNTS = (0, 500, 5000)
HEAPS_GIB = (0, 2, 8)
MAX_MOUNTS_FACTOR = 2.0
# Two runs of the same on a shared machine differ by more than a tenth.
MAX_HEAP_FACTOR = 1.5


def _milliseconds(place: Place, count: int) -> float:
    """Return the least time of a launch, from the call to the end of the program.

    What else the machine does is in any other.
    """
    times = []
    config = place.config()
    process = lc.Process(["true"], stdin=lc.DEVNULL)
    with lc.Factory(place.root) as factory:
        for number in range(count + 3):
            begun = time.perf_counter()
            with (
                factory.create("box", config) as container,
                container.run(process) as handle,
            ):
                handle.wait(30)
            if number >= 3:
                times.append(time.perf_counter() - begun)
    return round(min(times) * 1000, 3)


def mounts(place: Place, count: int) -> Verdict:
    """Launch on a machine with so many mounts."""
    base = place.root.parent / "mounts"
    base.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", base], check=True)
    figures: dict[str, object] = {}
    made = 0
    try:
        for wanted in MOUNTS:
            for number in range(made, wanted):
                (base / str(number)).mkdir()
            _mount(base, made, wanted)
            made = wanted
            figures[f"{wanted} mounts ms"] = _milliseconds(place, count)
    finally:
        # Lazily: one by one is slow, and what is below goes with it.
        subprocess.run(["umount", "-l", base], check=True)
        base.rmdir()
    return figures, _slower(figures, MAX_MOUNTS_FACTOR, "0 mounts ms", "500 mounts ms")


def _mount(base: Path, first: int, last: int) -> None:
    lines = [f"mount -t tmpfs none {base}/{n}" for n in range(first, last)]
    for begin in range(0, len(lines), 500):
        script = "\n".join(lines[begin : begin + 500])
        subprocess.run(["busybox", "sh", "-e", "-c", script], check=True)


def heaps(place: Place, count: int) -> Verdict:
    """Launch from a program with so large a heap."""
    script = (
        "import sys\n"
        "from tests.campaigns import surroundings\n"
        "from tests.campaigns.loads import Place\n"
        "root, rootfs, gib, count = sys.argv[1:]\n"
        "heap = [b'x' * (1 << 20) for _ in range(int(gib) << 10)]\n"
        "place = Place(root, rootfs)\n"
        "print(surroundings._milliseconds(place, int(count)))\n"
    )
    figures: dict[str, object] = {}
    for gib in HEAPS_GIB:
        words = [str(place.root), str(place.rootfs), str(gib), str(count)]
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script, *words],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        figures[f"{gib} GiB ms"] = float(done.stdout)
    return figures, _slower(figures, MAX_HEAP_FACTOR, "0 GiB ms", f"{gib} GiB ms")


def _slower(
    figures: dict[str, object], factor: float, before: str, after: str
) -> list[str]:
    first, last = float(str(figures[before])), float(str(figures[after]))
    return [f"{after}: {last} after {first}"] if last > first * factor else []
