# SPDX-License-Identifier: Apache-2.0
"""Write docs/reference/trust.md and its picture from docs/reference/trust.json.

``./dev trust`` first makes the json anew from the rows that the campaigns have written
(``.trust/``); ``./dev docs`` only writes the page.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import trust_picture
import trust_rows

DOCS = Path(__file__).resolve().parent
SOURCE = DOCS / "reference" / "trust.json"
PAGE = DOCS / "reference" / "trust.md"
PICTURE = DOCS / "reference" / "trust.svg"
ROWS = DOCS.parent / ".trust"

WANTED = {
    ("attacks", "race"): ("launches", "launches in races", 50_000),
    ("faults", "calls"): ("kills", "kills", 2_000),
    ("faults", "calls", 2): ("injections", "injected errors", 10_000),
    ("fuzz", "parser"): ("count", "plans fed to the helper's parser", 10**8),
    ("fuzz", "config"): ("count", "configurations fed to the compiler", 10**7),
    ("load", "cycles"): (
        "cycles", "containers run and deleted, one after the other", 100_000),
    ("load", "execs"): ("execs", "processes joined to one container", 50_000),
}  # fmt: skip
"""Where a figure is, its name, what it is of, and what the issue of this page asks."""

Row = dict[str, Any]


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
            parts += [
                writer({part: one["figures"] for part, one in found[name].items()}),
                _when(found[name]),
                _findings(list(_open(found[name]))),
            ]
    return "\n".join(part for part in parts if part)


def _when(campaign: dict[str, Row]) -> str:
    """Say when and where the rows of a campaign were made, and of which commits."""
    sessions = [each for one in campaign.values() for each in one["when"]]
    dates = sorted({each["date"] for each in sessions})
    commits: dict[str, int] = {}
    for each in sorted(sessions, key=lambda each: str(each["date"])):
        commits[each["commit"]] = commits.get(each["commit"], 0) + each["rows"]
    words = ", ".join(f"`{name}` ({count:,})" for name, count in commits.items())
    when = " to ".join(dict.fromkeys((dates[0], dates[-1])))
    kernels = ", ".join(sorted({each["kernel"] for each in sessions}))
    pythons = ", ".join(sorted({each["python"] for each in sessions}))
    return (
        f"Run on {when}, Linux {kernels}, Python {pythons}; the commits, and how many"
        f" rows are of each: {words}.\n"
    )


def _open(campaign: dict[str, Row]) -> Iterator[Row]:
    for one in campaign.values():
        yield from one["findings"]


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
    corpus = found.get("attacks", {}).get("corpus", {})
    cases = corpus.get("figures", {}).get("cases", 0)
    rows: list[tuple[object, ...]] = [
        ("attack cases", cases, "all", len(corpus.get("findings", ())))
    ]
    for (name, part, *_), (figure, what, wanted) in WANTED.items():
        one = found.get(name, {}).get(part, {})
        done = one.get("figures", {}).get(figure, 0)
        rows.append((what, done, wanted, len(one.get("findings", ()))))
    total = sum(len(list(_open(campaign))) for campaign in found.values())
    return (
        _table(("what", "done", "goal", "open findings"), rows)
        + "\nEscapes, changes of the host, leaks and hangs are findings:"
        f" {total} in all.\n"
    )


def _attacks_page(figures: dict[str, Row]) -> str:
    corpus, races = figures.get("corpus", {}), figures.get("race", {})
    return (
        "## Attacks (`./dev attacks`)\n\n"
        f"{corpus.get('cases', 0):,} cases of `tests/attacks/corpus.csv`, of them"
        f" {corpus.get('controls', 0)} controls: the same attack where it bites, by"
        " another runtime or without the one defence. Each has a canary, an inventory"
        f" before and after, and a deadline. {races.get('launches', 0):,} launches in"
        f" {races.get('races', 0)} races, while names were exchanged"
        f" {races.get('exchanges', 0):,} times; {races.get('ran', 0):,} of them got"
        " through, none of them outside.\n"
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


def _faults_page(figures: dict[str, Row]) -> str:
    calls = figures["calls"]
    words = ("refused", "unaffected", "caller died")
    table = [
        (name, sum(counts.values()), *(counts.get(word, 0) for word in words))
        for name, counts in calls["table"].items()
    ]
    parts = ("trials", "hung", "left processes", "left cgroups", "left anything")
    compared = calls["compared"] | figures.get("peer", {})
    peers = [
        (name, *(one[word] for word in parts)) for name, one in sorted(compared.items())
    ]
    named, errors = calls["errors with a step"], calls["errors"]
    answers = {name: figures.get(name, {}).get("answers", {})
               for name in ("exceptions", "limits")}  # fmt: skip
    lines = [
        "## Faults (`./dev faults`)\n",
        _ASKED,
        _table(("fault", "trials", *words), table),
        f"{named:,} of {errors:,} errors name their step; others are of calls before"
        f" or after a launch. The slowest trial took {calls['slowest']} s.\n",
        "![How each fault was answered, by operation and side](trust.svg)\n",
        _sentence("Exceptions at single lines of ours", answers["exceptions"]),
        _sentence("Limits of the machine", answers["limits"]),
        _COMPARED,
        _table(("runtime and fault", *parts), peers),
    ]
    return "\n".join(lines)


def _sentence(what: str, answers: dict[str, int]) -> str:
    counts = ", ".join(f"{count:,} {word}" for word, count in sorted(answers.items()))
    return f"{what}: {counts or 'none yet'}.\n"


def _fuzz_page(figures: dict[str, Row]) -> str:
    rows = [
        (name, part["count"], part["seconds"],
         ", ".join(f"{word}: {n:,}" for word, n in part["answers"].items()))
        for name, part in sorted(figures.items())
    ]  # fmt: skip
    return "## Fuzzing (`./dev fuzz`)\n\n" + _table(
        ("target", "inputs", "seconds", "answers"), rows
    )


def _load_page(figures: dict[str, Row]) -> str:
    rows = [
        (f"`{name}`", ", ".join(f"{w}: {_number(n)}" for w, n in run.items()))
        for part in figures.values()
        for name, run in sorted(part["runs"].items())
    ]
    return "## Load (`./dev load`)\n\n" + _table(("scenario", "figures"), rows)


def write() -> None:
    """Write the page and its picture."""
    found = json.loads(SOURCE.read_text())
    PAGE.write_text(render(found))
    PICTURE.write_text(trust_picture.draw(found))


if __name__ == "__main__":
    if "rows" in sys.argv[1:]:
        before = json.loads(SOURCE.read_text()) if SOURCE.exists() else {}
        after = trust_rows.summarize(ROWS, before)
        SOURCE.write_text(json.dumps(after, indent=1, sort_keys=True) + "\n")
    write()
