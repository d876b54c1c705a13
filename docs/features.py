# SPDX-License-Identifier: Apache-2.0
"""Write docs/reference/features.md from docs/reference/features.csv.

The csv is the source: one row per feature with its state and the tests that
prove it. Run ``./dev docs`` after every change to it.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parent
SOURCE = DOCS / "reference" / "features.csv"
PAGE = DOCS / "reference" / "features.md"

COLUMNS = ("id", "feature", "state", "test", "note")
STATES = ("yes", "part", "no", "impossible")

GROUPS = {
    "CF": "Configuration, compatibility, introspection",
    "NS": "Namespaces and user-namespace mapping",
    "MT": "Rootfs and mounts",
    "DV": "Devices",
    "ND": "Networking",
    "CG": "Cgroup drivers and lifecycle",
    "RS": "Resource knobs",
    "ST": "Statistics, events, notifications",
    "PR": "Process set-up",
    "TT": "Terminal",
    "EX": "Exec into a running container",
    "SC": "Security",
    "HK": "Hooks",
    "LC": "Lifecycle, commands, state",
    "CK": "Checkpoint and restore",
    "RD": "Intel RDT",
    "LB": "Library and bindings",
    "C": "What hardly any runtime offers",
}

HEAD = """\
# Features

Generated from `features.csv` by `./dev docs`; edit the csv, not this page.

- **yes**: works, and the named test sees it from inside a container.
- **part**: works within the limit that the note gives.
- **no**: not there yet.
- **impossible**: the kernel or the project's scope forbids it; the note says why.
"""


@dataclass(frozen=True, slots=True)
class Feature:
    """One row of the csv.

    Attributes:
        id: group and number, such as ``NS-01``.
        feature: what it is.
        state: one of `STATES`.
        tests: pytest node ids, ``file::function``, relative to the repository.
        note: a limit or a reason, or empty.
    """

    id: str
    feature: str
    state: str
    tests: tuple[str, ...]
    note: str

    @property
    def group(self) -> str:
        """The key of `GROUPS` that the row belongs to."""
        return self.id.partition("-")[0]


def read_features(path: Path = SOURCE) -> tuple[Feature, ...]:
    """Read the csv; raise ValueError if its columns are not `COLUMNS`."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file, strict=True)
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise ValueError(f"{path}: columns are {rows.fieldnames}, not {COLUMNS}")
        return tuple(
            Feature(
                id=row["id"],
                feature=row["feature"],
                state=row["state"],
                tests=tuple(row["test"].split()),
                note=row["note"],
            )
            for row in rows
        )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _row(feature: Feature) -> str:
    tests = "<br>".join(f"`{test}`" for test in feature.tests)
    cells = (feature.id, feature.feature, feature.state, tests, feature.note)
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _summary(features: tuple[Feature, ...]) -> list[str]:
    lines = ["| group | yes | part | no | impossible |", "|---|---|---|---|---|"]
    for group, title in GROUPS.items():
        count = Counter(row.state for row in features if row.group == group)
        numbers = " | ".join(str(count[state]) for state in STATES)
        lines.append(f"| {group} {title} | {numbers} |")
    total = Counter(row.state for row in features)
    lines.append("| all | " + " | ".join(str(total[state]) for state in STATES) + " |")
    return lines


def render(features: tuple[Feature, ...]) -> str:
    """Return the text of the page."""
    lines = [HEAD, *_summary(features)]
    for group, title in GROUPS.items():
        lines += ["", f"## {group}: {title}", ""]
        lines += ["| id | feature | state | test | note |", "|---|---|---|---|---|"]
        lines += [_row(feature) for feature in features if feature.group == group]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the page and say where it is."""
    PAGE.write_text(render(read_features()), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
