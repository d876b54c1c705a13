# SPDX-License-Identifier: Apache-2.0
"""Ray's sandboxes beside plain actors, as `./dev engines` has seen them.

Nothing is measured here: a cluster of Ray takes minutes and a package of its own.
"""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.contender import MissingError
from benchmarks.sections import Table, Told
from benchmarks.table import Cell

SOURCE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "ray.json"

_TEXT = """\
Sandboxes of Ray {ray} (`ray.experimental.sandbox`) that are containers of ours, over
{nodes} nodes on one machine of {processors} processors, each asked once and answered;
and as many plain actors with the same resources, without any container. Nearly all of
both is Ray starting a Python process for each. Made by `./dev engines` on {taken}
(`tests/contrib/test_ray_cluster.py`), Linux {kernel}, while the machine had a load of
{load}: only the ratio tells something."""


def measure(runs: int) -> Told:
    """Tell what the file has."""
    del runs
    if not SOURCE.exists():
        message = f"{SOURCE.name}: ./dev engines writes it"
        raise MissingError(message)
    found = json.loads(SOURCE.read_text())
    count = found["sandboxes"]
    rows: list[list[Cell]] = [
        ["sandboxes", count, found["sandboxes_a_second"], found.get("launch_cpu_ms")],
        ["plain actors", count, found["plain_actors_a_second"], None],
    ]
    head = ["", "made", "a second", "processor ms of its launch"]
    return Told("Ray's sandboxes", _TEXT.format(**found), [Table(head, rows)])
