# SPDX-License-Identifier: Apache-2.0
"""The fault campaign.

    python -m tests.campaigns.faults [--only FAMILY] [--every N] [--part WORD]

See `./dev help`. Rows go to ``.trust/faults.jsonl``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.campaigns import calls, exceptions, limits, peers
from tests.campaigns.arena import Arena
from tests.campaigns.isolation import alone
from tests.campaigns.rows import Rows, add_options, nice, tried

NAME = "faults"
FAMILIES = ("calls", "exceptions", "limits", "peers")


def main(arguments: list[str]) -> int:
    """Run the campaign; return 1 if anything was not as it must be."""
    parser = argparse.ArgumentParser(prog="./dev faults")
    add_options(parser)
    parser.add_argument("--only", choices=FAMILIES)
    parser.add_argument("--every", type=int, default=1, help="each N-th strike only")
    parser.add_argument("--again", action="store_true", help="only the findings")
    parser.add_argument("--action", action="append", help="such as kill or EIO")
    parser.add_argument("--kind", action="append")
    parser.add_argument("--command", action="append")
    options = parser.parse_args(arguments)
    code = alone("tests.campaigns.faults", arguments)
    if code is not None:
        return code
    nice()
    rows = Rows(NAME, fresh=options.fresh, part=options.part)
    wishes = {
        name: tuple(value)
        for name, value in (("actions", options.action), ("kinds", options.kind),
                            ("commands", options.command)) if value
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="lc-campaign-") as folder:
        arena = Arena(Path(folder))
        if options.only in {None, "calls"}:
            calls.campaign(arena, rows, every=options.every, again=options.again,
                           **wishes)  # fmt: skip
        if options.only in {None, "exceptions"}:
            exceptions.campaign(arena, rows, every=options.every)
        if options.only in {None, "limits"}:
            limits.campaign(arena, rows, every=options.every)
        if options.only in {None, "peers"}:
            peers.campaign(arena, rows, every=options.every)
    rows.close()
    return report()


def report() -> int:
    """Print the figures; return 1 if a row is not good."""
    rows = [row for row in tried(NAME) if row["family"] != "peer"]
    for answer, count in Counter(row.get("answer") for row in rows).most_common():
        print(f"{count:7} {answer}")
    bad = [row for row in rows if row["verdict"] != "good"]
    for row in bad[:40]:
        print(f"{row['key']} ({row.get('call')}): {row['verdict']}")
    print(f"{len(rows)} trials, {len(bad)} findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
