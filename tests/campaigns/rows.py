# SPDX-License-Identifier: Apache-2.0
"""Where a campaign writes what it tried: one JSON object a line, at once.

A campaign that is started again goes on where it was: what has a good row is not tried
again, until the rows are removed (``--fresh``). What was a finding is tried again: the
last row of a key counts. One that is run by several processes
at once has a file for each part (``--part WORD``); together they are its rows. Each
session says of which commit the rows below it are.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PLACE = Path(os.environ.get("LIBCONTAINER_TRUST", ROOT / ".trust"))


def commit() -> str:
    """Return the commit of this tree, with a plus where it was changed since."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def session() -> dict[str, str]:
    """Return when, where and of what a campaign is run."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "commit": commit(),
    }


def read(name: str, place: Path = PLACE) -> Iterator[dict[str, Any]]:
    """Yield the rows of a campaign; a line that was cut off by a kill is left out."""
    for path in files(name, place):
        for line in path.read_text().splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue


def tried(name: str, place: Path = PLACE) -> list[dict[str, Any]]:
    """Return the last row of each key."""
    rows = (row for row in read(name, place) if "verdict" in row)
    return list({row["key"]: row for row in rows}.values())


def files(name: str, place: Path = PLACE) -> list[Path]:
    """Return the files of a campaign's rows: its own, and one for each part."""
    own = place / f"{name}.jsonl"
    return [*([own] if own.exists() else []), *sorted(place.glob(f"{name}.*.jsonl"))]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what every campaign is told about its rows."""
    parser.add_argument("--fresh", action="store_true", help="forget earlier rows")
    parser.add_argument("--part", default="", help="a word: rows in a file of its own,"
                        " for several at once")  # fmt: skip


class Rows:
    """The rows of one campaign, written as they come; at a terminal how far it is.

    Args:
        name: of the campaign.
        fresh: whether to forget what was tried before; a part forgets its own.
        part: of the campaign, if several are run at once.
        place: the directory of the rows.
    """

    def __init__(
        self, name: str, *, fresh: bool = False, part: str = "", place: Path = PLACE
    ) -> None:
        place.mkdir(parents=True, exist_ok=True)
        self.part = part
        self.path = place / (f"{name}.{part}.jsonl" if part else f"{name}.jsonl")
        if fresh:
            for path in [self.path] if part else files(name, place):
                path.unlink(missing_ok=True)
        self._done, self.findings = set(), set()
        for row in tried(name, place):
            # What another runtime leaves is no finding of ours.
            good = row["verdict"] == "good" or row.get("family") == "peer"
            (self._done if good else self.findings).add(row["key"])
        self._file = self.path.open("a", encoding="utf-8")
        self._added = self._findings = 0
        self._shows = sys.stderr.isatty()
        self._write({"session": session()})

    def __contains__(self, key: object) -> bool:
        return key in self._done

    def add(self, key: str, verdict: str, **fields: Any) -> None:
        """Write a row; *verdict* is ``good``, or says what went wrong."""
        self._done.add(key)
        self._write({"key": key, "verdict": verdict, **fields})
        self._added += 1
        self._findings += verdict != "good"
        if self._shows:
            line = f"{self._added} tried, {self._findings} findings, last {key}"
            print(f"\r\x1b[K{line[:78]}", end="", file=sys.stderr, flush=True)

    def _write(self, row: dict[str, Any]) -> None:
        self._file.write(json.dumps(row, sort_keys=True) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        if self._shows:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def nice() -> None:
    """Give way to everybody else on the machine."""
    os.nice(19 - os.nice(0))
