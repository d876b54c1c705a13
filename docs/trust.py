# SPDX-License-Identifier: Apache-2.0
"""Write docs/reference/trust.md and its picture from docs/reference/trust.json.

``./dev trust`` first makes the json anew from the rows that the campaigns have written
(``.trust/``); ``./dev docs`` only writes the page.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import trust_picture

DOCS = Path(__file__).resolve().parent
SOURCE = DOCS / "reference" / "trust.json"
PAGE = DOCS / "reference" / "trust.md"
PICTURE = DOCS / "reference" / "trust.svg"
ROWS = DOCS.parent / ".trust"

CAMPAIGNS = ("attacks", "faults", "fuzz", "load")
WANTED = {
    "kills": 2_000,
    "injections": 10_000,
    "parser": 10**8,
    "config": 10**7,
    "cycles": 100_000,
    "execs": 50_000,
}
"""What the issue of this page asks for."""

Row = dict[str, Any]


# -- from the rows to the json


def _read(name: str, place: Path) -> list[Row]:
    try:
        lines = (place / f"{name}.jsonl").read_text().splitlines()
    except FileNotFoundError:
        return []
    rows = []
    for line in lines:
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue  # cut off by a kill
    return rows


def summarize(place: Path = ROWS) -> dict[str, Any]:
    """Return what the page needs of the rows of every campaign."""
    # What was not run here stays as it was where it was run.
    found: dict[str, Any] = json.loads(SOURCE.read_text()) if SOURCE.exists() else {}
    for name in CAMPAIGNS:
        rows = _read(name, place)
        sessions = [row["session"] for row in rows if "session" in row]
        tried = [row for row in rows if "verdict" in row]
        if not tried:
            continue
        found[name] = {
            "session": sessions[-1] if sessions else {},
            "figures": _FIGURES[name](tried),
            "findings": [
                {"key": row["key"], "verdict": " ".join(row["verdict"].split())[:200]}
                for row in tried
                if row["verdict"] != "good" and row.get("family") != "peer"
            ],
        }
    return found


def _attacks(rows: list[Row]) -> Row:
    corpus = [row for row in rows if row["family"] == "corpus"]
    races = [row for row in rows if row["family"] == "race"]
    return {
        "cases": len(corpus),
        "controls": sum(row["control"] for row in corpus),
        "ids": dict(
            sorted(Counter(i[0] for row in corpus for i in row["ids"]).items())
        ),
        "races": len({row["race"] for row in races}),
        "race launches": sum(row["launches"] for row in races),
        "exchanges": sum(row["swaps"] for row in races),
        "ran": sum(row["ran"] for row in races),
    }


def _faults(rows: list[Row]) -> Row:
    ours = [row for row in rows if row["family"] != "peer"]
    calls = [row for row in ours if row["family"] == "calls"]
    struck = [row for row in calls if row["answer"] != "not reached"]
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for row in struck:
        table[_action(row)][row["answer"]] += 1
    cells: dict[str, Counter[str]] = defaultdict(Counter)
    for row in struck:
        cells[f"{_action(row)}|{_stage(row)}"][row["answer"]] += 1
    kills = [row for row in struck if _action(row) == "kill"]
    named = [row for row in struck if row["answer"] == "refused"]
    return {
        "kills": len(kills),
        "kills of the caller": sum(row["key"].split("/")[2] == "0" for row in kills),
        "injections": len(struck) - len(kills),
        "table": {name: dict(counts) for name, counts in sorted(table.items())},
        "cells": {name: dict(counts) for name, counts in sorted(cells.items())},
        "errors": len(named),
        "errors with a step": sum(_names_step(row) for row in named),
        "exceptions": _answers(ours, "exceptions"),
        "limits": _answers(ours, "limits"),
        "hangs": sum("hung" in row["verdict"] for row in ours),
        "leaks": sum("left" in row["verdict"] for row in ours),
        "slowest": max((row["seconds"] for row in ours), default=0),
        "peers": _peers(rows, struck),
    }


def _answers(rows: list[Row], family: str) -> dict[str, int]:
    return dict(Counter(row["answer"] for row in rows if row["family"] == family))


def _names_step(row: Row) -> bool:
    return bool(row.get("step")) or "step" in str(row.get("text"))


def _action(row: Row) -> str:
    return str(row["key"].split("/")[4])


def _stage(row: Row) -> str:
    _, command, process = row["key"].split("/")[:3]
    side = "caller" if process == "0" else "helper" if process != "-1" else "all"
    return f"{command} {side}"


def _peers(rows: list[Row], ours: list[Row]) -> dict[str, Row]:
    """What was left by each runtime, under the same kills and errors."""
    found: dict[str, Row] = {}
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["family"] == "peer" and row["answer"] == "struck":
            groups[f"{row['peer']} {_action(row)}"].append(row)
    for row in ours:
        kind, command = row["key"].split("/")[:2]
        if (kind, command) == ("plain", "run") and _action(row) in {"kill", "EIO"}:
            groups[f"libcontainer {_action(row)}"].append(row)
    for name, group in sorted(groups.items()):
        found[name] = {
            "trials": len(group),
            "hung": sum("hung" in row["verdict"] for row in group),
            "left processes": sum("left process" in row["verdict"] for row in group),
            "left cgroups": sum("left cgroup" in row["verdict"] for row in group),
            "left anything": sum("left" in row["verdict"] for row in group),
        }
    return found


def _fuzz(rows: list[Row]) -> Row:
    found: Row = {}
    for name in dict.fromkeys(row["target"] for row in rows):
        own = [row for row in rows if row["target"] == name]
        answers: Counter[str] = Counter()
        for row in own:
            answers.update(row["answers"])
        found[name] = {
            "count": sum(row["count"] for row in own),
            "seconds": round(sum(row["seconds"] for row in own)),
            "answers": dict(answers.most_common(6)),
        }
    return found


def _load(rows: list[Row]) -> Row:
    return {row["key"]: row["figures"] for row in rows}


_FIGURES = {"attacks": _attacks, "faults": _faults, "fuzz": _fuzz, "load": _load}


# -- from the json to the page

_HEAD = """\
# Trust

Generated from `trust.json` by `./dev docs`; the campaigns fill it (`./dev trust`). What
is promised, and what is not, is in [security](../explain/security.md).
"""


def render(found: dict[str, Any]) -> str:
    """Return the page."""
    parts = [_HEAD, _summary(found)]
    for name, writer in (("attacks", _attacks_page), ("faults", _faults_page),
                         ("fuzz", _fuzz_page), ("load", _load_page)):  # fmt: skip
        if name in found:
            session = found[name]["session"]
            when = f"{session.get('date')}, Linux {session.get('kernel')}, Python"
            when += f" {session.get('python')}, commit `{session.get('commit')}`"
            parts += [writer(found[name]["figures"]), f"Run on {when}.\n",
                      _findings(found[name]["findings"])]  # fmt: skip
    return "\n".join(part for part in parts if part)


def _row(*cells: object) -> str:
    return "| " + " | ".join(_number(cell) for cell in cells) + " |"


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    names = list(head)
    lines = [_row(*names), "|" + "---|" * len(names), *(_row(*row) for row in rows)]
    return "\n".join(lines) + "\n"


def _findings(findings: list[Row]) -> str:
    if not findings:
        return ""
    lines = [f"- `{item['key']}`: {item['verdict']}" for item in findings[:50]]
    return f"Open findings: {len(findings)}\n\n" + "\n".join(lines) + "\n"


def _summary(found: dict[str, Any]) -> str:
    faults = found.get("faults", {}).get("figures", {})
    fuzz = found.get("fuzz", {}).get("figures", {})
    load = found.get("load", {}).get("figures", {})
    attacks = found.get("attacks", {}).get("figures", {})

    def largest(name: str) -> int:
        return max((f.get(name, 0) for f in load.values()), default=0)

    done = {
        "kills": faults.get("kills", 0),
        "injections": faults.get("injections", 0),
        "parser": fuzz.get("parser", {}).get("count", 0),
        "config": fuzz.get("config", {}).get("count", 0),
        "cycles": largest("cycles"),
        "execs": largest("execs"),
    }
    names = {"kills": "kills", "injections": "injected errors",
             "parser": "plans fed to the helper's parser",
             "config": "configurations fed to the compiler",
             "cycles": "containers run and deleted, one after the other",
             "execs": "processes joined to one container"}  # fmt: skip
    wrong = {name: len(part["findings"]) for name, part in found.items()}
    of = {"kills": "faults", "injections": "faults", "parser": "fuzz", "config": "fuzz",
          "cycles": "load", "execs": "load"}  # fmt: skip
    raced = attacks.get("race launches", 0)
    rows: list[tuple[object, ...]] = [
        ("attack cases", attacks.get("cases", 0), "all", wrong.get("attacks", 0)),
        ("launches in races", raced, 50_000, wrong.get("attacks", 0)),
    ]
    rows += [(names[name], count, WANTED[name], wrong.get(of[name], 0))
             for name, count in done.items()]  # fmt: skip
    head = ("what", "done", "goal", "open findings")
    total = sum(wrong.values())
    return (
        _table(head, rows)
        + "\nEscapes, changes of the host, leaks and hangs are findings:"
        f" {total} in all.\n"
    )


def _attacks_page(figures: Row) -> str:
    return (
        "## Attacks (`./dev attacks`)\n\n"
        f"{figures['cases']:,} cases of `tests/attacks/corpus.csv`, of them"
        f" {figures['controls']} controls: the same attack where it bites, by another"
        " runtime or without the one defence. Each has a canary, an inventory before"
        f" and after, and a deadline. {figures['race launches']:,} launches in"
        f" {figures['races']} races, while names were exchanged"
        f" {figures['exchanges']:,} times; {figures['ran']:,} of them got through, none"
        " of them outside.\n"
    )


_ASKED = """\
A tracer strikes the Nth system call of the caller, of the helper or of what becomes
init. After each: no process is left, every state file can be read or is not there,
`recover` and one `delete` take all of it away, the inventory of the machine is as
before, the same id can be made and run.
"""
_COMPARED = """
The same kills and EIOs, evenly spread over a `run`, for what others use; each was
followed by its own `delete --force`, and what is left is what that did not remove:
"""


def _faults_page(figures: Row) -> str:
    words = ("refused", "unaffected", "caller died")
    table = [
        (name, sum(counts.values()), *(counts.get(word, 0) for word in words))
        for name, counts in figures["table"].items()
    ]
    parts = ("trials", "hung", "left processes", "left cgroups", "left anything")
    peers = [
        (name, *(part[word] for word in parts))
        for name, part in figures["peers"].items()
    ]
    named, errors = figures["errors with a step"], figures["errors"]
    lines = [
        "## Faults (`./dev faults`)\n",
        _ASKED,
        _table(("fault", "trials", *words), table),
        f"{named:,} of {errors:,} errors name their step; others are of calls before"
        f" or after a launch. The slowest trial took {figures['slowest']} s.\n",
        "![How each fault was answered, by operation and side](trust.svg)\n",
        _sentence("Exceptions at single lines of ours", figures["exceptions"]),
        _sentence("Limits of the machine", figures["limits"]),
        _COMPARED,
        _table(("runtime and fault", *parts), peers),
    ]
    return "\n".join(lines)


def _sentence(what: str, answers: dict[str, int]) -> str:
    counts = ", ".join(f"{count:,} {word}" for word, count in sorted(answers.items()))
    return f"{what}: {counts or 'none yet'}.\n"


def _fuzz_page(figures: Row) -> str:
    rows = [
        (name, part["count"], part["seconds"],
         ", ".join(f"{word}: {n:,}" for word, n in part["answers"].items()))
        for name, part in figures.items()
    ]  # fmt: skip
    return "## Fuzzing (`./dev fuzz`)\n\n" + _table(
        ("target", "inputs", "seconds", "answers"), rows
    )


def _load_page(figures: Row) -> str:
    rows = [
        (f"`{name}`", ", ".join(f"{w}: {_number(n)}" for w, n in part.items()))
        for name, part in figures.items()
    ]
    return "## Load (`./dev load`)\n\n" + _table(("scenario", "figures"), rows)


def write() -> None:
    """Write the page and its picture."""
    found = json.loads(SOURCE.read_text())
    PAGE.write_text(render(found))
    PICTURE.write_text(trust_picture.draw(found))


if __name__ == "__main__":
    if "rows" in sys.argv[1:]:
        SOURCE.write_text(json.dumps(summarize(), indent=1, sort_keys=True) + "\n")
    write()
