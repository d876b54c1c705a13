# SPDX-License-Identifier: Apache-2.0
"""The load campaign: many at once, many after each other, many at each other.

    python -m tests.campaigns.load [--only NAME] [--scale PERCENT] [--part WORD]

Rows go to ``.trust/load.jsonl``; see `./dev help`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import libcontainer as lc
from tests.campaigns import loads, races_of_life, surroundings
from tests.campaigns.arena import build_rootfs
from tests.campaigns.isolation import alone
from tests.campaigns.rows import Rows, add_options, nice, tried

NAME = "load"
MODULE = "tests.campaigns.load"
SCENARIOS = {
    "alive-1000": lambda place, scale: loads.alive(place, scale(1000)),
    "alive-2000": lambda place, scale: loads.alive(place, scale(2000)),
    "mounts": lambda place, scale: surroundings.mounts(place, scale(100)),
    "heap": lambda place, scale: surroundings.heaps(place, scale(100)),
    "execs": lambda place, scale: loads.execs(place, scale(50_000)),
    "short": lambda place, scale: loads.short_lives(place, scale(10_000)),
    "lives": lambda place, scale: races_of_life.lives(place, scale(600)),
    "creates": lambda place, scale: races_of_life.creates(place, scale(1000)),
    "cycles": lambda place, scale: loads.cycles(place, scale(100_000)),
}


def main(arguments: list[str]) -> int:
    """Run the campaign; return 1 if a figure is not what it must be."""
    parser = argparse.ArgumentParser(prog="./dev load")
    add_options(parser)
    parser.add_argument("--only", action="append", choices=sorted(SCENARIOS))
    parser.add_argument("--scale", type=float, default=100, help="percent of the full")
    options = parser.parse_args(arguments)
    code = alone(MODULE, arguments)
    if code is not None:
        return code
    nice()
    rows = Rows(NAME, fresh=options.fresh, part=options.part)
    for name in options.only or SCENARIOS:
        key = f"{name}@{options.scale:g}%" + (options.part and f"/{options.part}")
        if key not in rows:
            run(rows, name, key, options.scale)
    rows.close()
    return report()


def run(rows: Rows, name: str, key: str, percent: float) -> None:
    """Run one scenario and write its row."""

    def scale(count: int) -> int:
        return max(1, int(count * percent / 100))

    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lc-campaign-") as folder:
        base = Path(folder)
        place = loads.Place(base / "state", build_rootfs(base))
        # Once, for what is loaded and kept at the first launch.
        with lc.Factory(place.root) as factory:
            place.run_one(factory, "warm", 0)
        # The C library begins to catch a signal of its own with the first thread.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(int).result()
        before = place.inventory()
        try:
            figures, wrong = SCENARIOS[name](place, scale)
        except (lc.LibcontainerError, OSError, AssertionError) as error:
            figures, wrong = {}, [f"{type(error).__name__}: {error}"]
        wrong += place.left(before)
    figures["seconds"] = round(time.monotonic() - begun, 1)
    rows.add(key, "; ".join(wrong)[:1000] or "good", family="load", scenario=name,
             figures=figures)  # fmt: skip
    print(f"{key}: {figures} {wrong or ''}", flush=True)


def report() -> int:
    """Return 1 if a row is not good."""
    rows = tried(NAME)
    bad = [row for row in rows if row["verdict"] != "good"]
    for row in bad:
        print(f"{row['key']}: {row['verdict']}")
    print(f"{len(rows)} scenarios, {len(bad)} findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
