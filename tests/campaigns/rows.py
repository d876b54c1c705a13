# SPDX-License-Identifier: Apache-2.0
"""Where a campaign writes what it tried: one JSON object a line, at once.

A campaign that is started again goes on where it was: what has a row is not tried
again, until the rows are removed (``--fresh``).
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
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
    try:
        lines = (place / f"{name}.jsonl").read_text().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            continue


class Rows:
    """The rows of one campaign, written as they come.

    Args:
        name: of the campaign.
        fresh: whether to forget what was tried before.
        place: the directory of the rows.
    """

    def __init__(self, name: str, *, fresh: bool = False, place: Path = PLACE) -> None:
        place.mkdir(parents=True, exist_ok=True)
        self.path = place / f"{name}.jsonl"
        if fresh:
            self.path.unlink(missing_ok=True)
        self._done = {row["key"] for row in read(name, place) if "key" in row}
        self._file = self.path.open("a", encoding="utf-8")
        self._write({"session": session()})

    def __contains__(self, key: object) -> bool:
        return key in self._done

    def add(self, key: str, verdict: str, **fields: Any) -> None:
        """Write a row; *verdict* is ``good``, or says what went wrong."""
        self._done.add(key)
        self._write({"key": key, "verdict": verdict, **fields})

    def _write(self, row: dict[str, Any]) -> None:
        self._file.write(json.dumps(row, sort_keys=True) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def nice() -> None:
    """Give way to everybody else on the machine."""
    os.nice(19 - os.nice(0))
