# SPDX-License-Identifier: Apache-2.0
"""From the rows that the campaigns have written (``.trust/``) to the figures of a page.

A campaign has parts. The figures of a part are those of all of its rows that are
there, whatever commit each was run on: the commits stand beside them. A part without
rows here keeps the figures that it has.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]

CAMPAIGNS = {"attacks": "family", "faults": "family", "fuzz": "target",
             "load": "scenario"}  # fmt: skip
"""Each campaign, and what of a row names the part that it is of."""


def _read(name: str, place: Path) -> Iterator[Row]:
    """Yield each row with the session that it is of."""
    for path in sorted([*place.glob(f"{name}.jsonl"), *place.glob(f"{name}.*.jsonl")]):
        session: Row = {}
        for line in path.read_text().splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue  # cut off by a kill
            session = row.get("session", session)
            if "verdict" in row:
                yield row | {"of": session}


def summarize(place: Path, found: dict[str, Any]) -> dict[str, Any]:
    """Return what the page needs of the rows of every campaign.

    Args:
        place: where the rows are.
        found: what was returned before.
    """
    for name, part_of in CAMPAIGNS.items():
        # What was a finding is tried again: the last row of a key counts.
        rows = {row["key"]: row for row in _read(name, place)}.values()
        parts: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            parts[row[part_of]].append(row)
        for part, own in parts.items():
            found.setdefault(name, {})[part] = {
                "when": _when(own),
                "figures": _FIGURES.get((name, part), _FIGURES[name, ""])(own),
                "findings": _findings(own),
            }
    return found


def _when(rows: list[Row]) -> list[Row]:
    """Return the sessions of the rows, one for each commit, and how many are of it."""
    found: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: str(row["of"].get("date"))):
        session = row["of"]
        entry = found.setdefault(session["commit"], session | {"rows": 0})
        entry["rows"] += 1
    return list(found.values())


def _findings(rows: list[Row]) -> list[Row]:
    return [
        {"key": row["key"], "verdict": " ".join(row["verdict"].split())[:200]}
        for row in rows
        if row["verdict"] != "good" and row.get("family") != "peer"
    ]


def _corpus(rows: list[Row]) -> Row:
    ids = Counter(i[0] for row in rows for i in row["ids"])
    return {"cases": len(rows), "controls": sum(row["control"] for row in rows),
            "ids": dict(sorted(ids.items()))}  # fmt: skip


def _races(rows: list[Row]) -> Row:
    return {
        "races": len({row["race"] for row in rows}),
        "launches": sum(row["launches"] for row in rows),
        "exchanges": sum(row["swaps"] for row in rows),
        "ran": sum(row["ran"] for row in rows),
    }


def _peers(rows: list[Row]) -> Row:
    struck = (row for row in rows if row["answer"] == "struck")
    return _compared((f"{row['peer']} {_action(row)}", row) for row in struck)


def _others(rows: list[Row]) -> Row:
    answers = Counter(row["answer"] for row in rows)
    return _looked_after(rows) | {"answers": dict(answers)}


def _calls(rows: list[Row]) -> Row:
    struck = [row for row in rows if row["answer"] != "not reached"]
    table: dict[str, Counter[str]] = defaultdict(Counter)
    cells: dict[str, Counter[str]] = defaultdict(Counter)
    for row in struck:
        table[_action(row)][row["answer"]] += 1
        cells[f"{_action(row)}|{_stage(row)}"][row["answer"]] += 1
    kills = [row for row in struck if _action(row) == "kill"]
    named = [row for row in struck if row["answer"] == "refused"]
    return _looked_after(rows) | {
        "kills": len(kills),
        "kills of the caller": sum(row["key"].split("/")[2] == "0" for row in kills),
        "injections": len(struck) - len(kills),
        "table": {name: dict(counts) for name, counts in sorted(table.items())},
        "cells": {name: dict(counts) for name, counts in sorted(cells.items())},
        "errors": len(named),
        "errors with a step": sum(_names_step(row) for row in named),
        "compared": _compared(
            (f"libcontainer {_action(row)}", row)
            for row in struck
            if row["key"].startswith("plain/run/") and _action(row) in {"kill", "EIO"}
        ),
    }


def _looked_after(rows: list[Row]) -> Row:
    return {
        "hangs": sum("hung" in row["verdict"] for row in rows),
        "leaks": sum("left" in row["verdict"] for row in rows),
        "slowest": max(row["seconds"] for row in rows),
    }


def _names_step(row: Row) -> bool:
    return bool(row.get("step")) or "step" in str(row.get("text"))


def _action(row: Row) -> str:
    return str(row["key"].split("/")[4])


def _stage(row: Row) -> str:
    _, command, process = row["key"].split("/")[:3]
    side = "caller" if process == "0" else "helper" if process != "-1" else "all"
    return f"{command} {side}"


def _compared(named: Iterator[tuple[str, Row]]) -> dict[str, Row]:
    """What was left by each runtime, under the same kills and errors."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name, row in named:
        groups[name].append(row["verdict"])
    return {
        name: {
            "trials": len(group),
            "hung": sum("hung" in verdict for verdict in group),
            "left processes": sum("left process" in verdict for verdict in group),
            "left cgroups": sum("left cgroup" in verdict for verdict in group),
            "left anything": sum("left" in verdict for verdict in group),
        }
        for name, group in sorted(groups.items())
    }


def _fuzz(rows: list[Row]) -> Row:
    answers: Counter[str] = Counter()
    for row in rows:
        answers.update(row["answers"])
    return {
        "count": sum(row["count"] for row in rows),
        "seconds": round(sum(row["seconds"] for row in rows)),
        "answers": dict(answers.most_common(6)),
    }


def _load(rows: list[Row]) -> Row:
    """Return the figures of each run of a scenario, and the sum of what it counts."""
    found: Row = {"runs": {row["key"]: row["figures"] for row in rows}}
    for word in ("cycles", "execs"):
        counts = [row["figures"].get(word, 0) for row in rows]
        if any(counts):
            found[word] = sum(counts)
    return found


_FIGURES: dict[tuple[str, str], Callable[[list[Row]], Row]] = {
    ("attacks", "corpus"): _corpus,
    ("attacks", ""): _races,
    ("faults", "calls"): _calls,
    ("faults", "peer"): _peers,
    ("faults", ""): _others,
    ("fuzz", ""): _fuzz,
    ("load", ""): _load,
}
