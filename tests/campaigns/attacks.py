# SPDX-License-Identifier: Apache-2.0
"""The attack campaign: the whole corpus, then the races for as long as they take.

    python -m tests.campaigns.attacks [--only corpus|races] [--races LAUNCHES]

Rows go to ``.trust/attacks.jsonl``: one for each case, one for each batch of a race.
"""

from __future__ import annotations

import argparse
import itertools
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import libcontainer as lc
from tests.attacks import races
from tests.campaigns.isolation import alone
from tests.campaigns.rows import ROOT, Rows, add_options, nice, tried

NAME = "attacks"
MODULE = "tests.campaigns.attacks"
LAUNCHES = 50_000
BATCH = 250
_IDS = re.compile(r"(?<![a-z0-9])([a-z]\d\d)(?![a-z0-9])")


def _name(nodeid: str) -> str:
    return nodeid.removeprefix("tests/attacks/")


class Recorder:
    """A plugin of pytest that writes a row for each case."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._bad: dict[str, str] = {}

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Leave out what has a good row."""
        done = [item for item in items if _name(item.nodeid) in self._rows]
        config.hook.pytest_deselected(items=done)
        items[:] = [item for item in items if _name(item.nodeid) not in self._rows]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the verdict of a case once all of it is over."""
        name = _name(report.nodeid)
        if report.failed:
            self._bad[name] = f"{report.when}: {report.longreprtext[-300:]}"
        if report.skipped:
            self._bad[name] = f"skipped: {report.longreprtext[-200:]}"
        if report.when == "teardown":
            function = name.partition("::")[2].replace("_", " ")
            ids = [word.upper() for word in _IDS.findall(function)]
            self._rows.add(name, self._bad.get(name, "good"), family="corpus", ids=ids,
                           control="control" in function)  # fmt: skip


def main(arguments: list[str]) -> int:
    """Run the campaign; return 1 if an attack got anywhere."""
    parser = argparse.ArgumentParser(prog="./dev attacks")
    add_options(parser)
    parser.add_argument("--only", choices=("corpus", "races"))
    parser.add_argument("--races", type=int, default=LAUNCHES, help="launches in races")
    options = parser.parse_args(arguments)
    code = alone(MODULE, arguments)
    if code is not None:
        return code
    nice()
    rows = Rows(NAME, fresh=options.fresh, part=options.part)
    if options.only != "races":
        _corpus(rows)
    if options.only != "corpus":
        _races(rows, options.races)
    rows.close()
    return report()


def _corpus(rows: Rows) -> None:
    """Try each case that has no row, or one that is a finding."""
    corpus = str(ROOT / "tests" / "attacks")
    words = [corpus, "-q", "-p", "no:cacheprovider", f"--rootdir={ROOT}",
             "-W", "ignore::pytest.PytestAssertRewriteWarning"]  # fmt: skip
    pytest.main(words, plugins=[Recorder(rows)])


def _races(rows: Rows, wanted: int) -> None:
    """Go on with the races until each has had its share of the launches."""
    with (
        tempfile.TemporaryDirectory(prefix="lctests-") as name,
        lc.Factory() as factory,
    ):
        base = Path(name)
        base.chmod(0o755)
        attacker = base / "attacker"
        source = ROOT / "tests" / "attacks" / "attacker.c"
        flags = ["-std=c11", "-O1", "-static"]
        subprocess.run(["gcc", *flags, "-o", attacker, source], check=True)
        for race in races.RACES:
            where = races.make_field(base / race.name.replace(" ", "-"), attacker)
            while _launches(race) < wanted / len(races.RACES):
                _batch(rows, race, where, factory)


def _launches(race: races.Race) -> int:
    rows = [row for row in tried(NAME) if row.get("race") == race.name]
    return sum(row["launches"] for row in rows)


def _batch(
    rows: Rows, race: races.Race, where: races.Field, factory: lc.Factory
) -> None:
    numbers = itertools.count()
    key = next(k for n in numbers if (k := f"{race.name}/{rows.part}{n}") not in rows)
    begun = time.monotonic()
    before = races._listing(where.canary)
    verdict = "good"
    counts: dict[str, int] = {}
    try:
        counts = dict(races.run(race, where, factory, BATCH))
    except (AssertionError, lc.TimeoutExpired) as error:
        verdict = f"{type(error).__name__}: {error}"[:300]
    if races._listing(where.canary) != before:
        verdict = "the canary was changed"
    rows.add(key, verdict, family="race", race=race.name, launches=BATCH,
             swaps=counts.get("swaps", 0), ran=counts.get("ran", 0),
             seconds=round(time.monotonic() - begun, 1))  # fmt: skip


def report() -> int:
    """Print the figures; return 1 if a row is not good."""
    rows = tried(NAME)
    corpus = [row for row in rows if row["family"] == "corpus"]
    raced = [row for row in rows if row["family"] == "race"]
    bad = [row for row in rows if row["verdict"] != "good"]
    print(f"{len(corpus)} cases, {sum(r['control'] for r in corpus)} of them controls")
    print(f"{sum(r['launches'] for r in raced):,} launches in races,"
          f" {sum(r['swaps'] for r in raced):,} exchanges")  # fmt: skip
    for row in bad:
        print(f"{row['key']}: {row['verdict'][:300]}")
    print(f"{len(bad)} findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
