# SPDX-License-Identifier: Apache-2.0
"""P12 to P14: names are exchanged while a launch goes through them.

A short slice; ``./dev attacks`` runs as many launches as it is told.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

import pytest

import libcontainer as lc
from tests.attacks import races

pytestmark = [pytest.mark.needs("root", "rootfs", "compiler"), pytest.mark.slow]

_LAUNCHES = 40
_MORE = 20
_CONTROL_SECONDS = 60.0


@pytest.fixture
def place(public_tmp: Path, attacker: Path, request: pytest.FixtureRequest) -> Path:
    """A directory for one race."""
    path = public_tmp / request.node.name.replace("/", "-")
    path.mkdir(mode=0o755)
    return path


@pytest.mark.parametrize("race", races.RACES, ids=lambda race: race.name)
def test_p12_no_launch_gets_out(
    factory: lc.Factory, attacker: Path, place: Path, race: races.Race
) -> None:
    where = races.make_field(place, attacker)
    before = races._listing(where.canary)
    counts = races.run(race, where, factory, _LAUNCHES)
    # Whether one gets through at all is a matter of chance: go on until one has.
    for _ in range(_MORE):
        if counts["ran"]:
            break
        counts += races.run(race, where, factory, _LAUNCHES)
    assert races._listing(where.canary) == before
    # The race was one: names were swapped all the time, and launches got through.
    assert counts["swaps"] > 10 * _LAUNCHES
    assert counts["ran"] > 0


def test_p12_control(attacker: Path, place: Path) -> None:
    """Who looks first and acts on the name then is outside before long."""
    where = races.make_field(place, attacker)
    names = where.pairs(races.RACES[0])
    target = names[0]
    before = races._listing(where.canary)
    with races.exchanging(attacker, names, Counter()):
        # Where others have the processors it may take its time.
        deadline = time.monotonic() + _CONTROL_SECONDS
        while time.monotonic() < deadline:
            if os.path.islink(target):
                continue
            try:
                os.close(os.open(f"{target}/made", os.O_CREAT | os.O_WRONLY))
            except OSError:
                continue
            if (where.canary / "made").exists():
                break
    assert races._listing(where.canary) != before
