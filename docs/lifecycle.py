# SPDX-License-Identifier: Apache-2.0
"""Write docs/explain/lifecycle.md and its drawing from the table of states."""

from __future__ import annotations

import html
import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from libcontainer.status import TRANSITIONS, Status

FOLDER = Path(__file__).resolve().parent / "explain"
GONE = "gone"

# Where each state stands, as its middle; the edges follow from the table.
PLACES = {
    "creating": (110, 60),
    "created": (350, 60),
    "running": (590, 60),
    "paused": (590, 230),
    "stopped": (350, 230),
    GONE: (110, 230),
}
WIDTH, HEIGHT = 120, 44
MEANINGS = {
    Status.CREATING: "its record is there, no process yet",
    Status.CREATED: "init waits at the gate",
    Status.RUNNING: "init has become the program",
    Status.PAUSED: "every process is frozen",
    Status.STOPPED: "init has ended; the record and the exit status are kept",
}

HEAD = """\
# The life of a container

Generated from `src/libcontainer/status.py` by `./dev docs`.

![States and what leads from one to the next](lifecycle.svg)

The status is never taken from a file: a pidfd says whether init lives, the gate
whether it waits, the freezer whether it is paused. Any state can end by itself in
`stopped`, when init ends or is killed. What is not in the table is refused with
`StateError`, and nothing is changed.

| state | means |
|---|---|
"""


def _edges() -> dict[tuple[str, str], list[str]]:
    edges: dict[tuple[str, str], list[str]] = defaultdict(list)
    for verb, table in TRANSITIONS.items():
        # It leads from everywhere to the same end; the caption says so.
        if verb == "delete (force)":
            continue
        for before, after in table.items():
            end = GONE if after is None else after.value
            if before.value != end:
                edges[before.value, end].append(verb)
    return dict(edges)


def _border(
    middle: tuple[float, float], toward: tuple[float, float]
) -> tuple[float, float]:
    """Return where the line from *middle* leaves the box around it."""
    dx, dy = toward[0] - middle[0], toward[1] - middle[1]
    scale = min(
        (WIDTH / 2) / abs(dx) if dx else math.inf,
        (HEIGHT / 2) / abs(dy) if dy else math.inf,
    )
    return middle[0] + dx * scale, middle[1] + dy * scale


def _arrow(before: str, after: str, verbs: list[str], *, shifted: bool) -> list[str]:
    start, end = PLACES[before], PLACES[after]
    length = math.hypot(end[0] - start[0], end[1] - start[1])
    # Two arrows between the same states stand beside each other.
    side = 14 if shifted else 0
    off = (-(end[1] - start[1]) / length * side, (end[0] - start[0]) / length * side)
    start = (start[0] + off[0], start[1] + off[1])
    end = (end[0] + off[0], end[1] + off[1])
    x1, y1 = _border(start, end)
    x2, y2 = _border(end, start)
    label = html.escape(", ".join(verbs))
    x, y, anchor = (x1 + x2) / 2, (y1 + y2) / 2, "middle"
    if shifted:
        # Beside its own arrow, on the side away from the other one.
        anchor = "end" if off[0] < 0 else "start"
        x, y = x + math.copysign(7, off[0]), y + 0.8 * off[1] + 4
    else:
        y -= 14 if y1 == y2 else 4
    return [
        f'<path d="M{x1:.0f} {y1:.0f} L{x2:.0f} {y2:.0f}" marker-end="url(#tip)"/>',
        f'<text x="{x:.0f}" y="{y:.0f}" class="verb"'
        f' style="text-anchor:{anchor}">{label}</text>',
    ]


def _words(verbs: list[str]) -> list[str]:
    """Return what stands at an arrow; who may do it by force need not say so."""
    words = ["it ends" if verb == "wait" else verb for verb in verbs]
    return [
        word
        for word in words
        if word.removesuffix(" (force)") not in words or not word.endswith(" (force)")
    ]


def draw() -> str:
    """Return the drawing."""
    edges = _edges()
    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 750 300" role="img"'
        ' aria-label="States of a container">',
        "<style>rect{fill:#eef3fb;stroke:#345;rx:8px} path{stroke:#345;fill:none;"
        "stroke-width:1.4} text{font:13px sans-serif;text-anchor:middle;fill:#123}"
        ".verb{font-size:11px;fill:#246;paint-order:stroke;stroke:#fff;"
        "stroke-width:4px}</style>",
        '<rect x="0" y="0" width="750" height="300" style="fill:#fff;stroke:none"/>',
        '<defs><marker id="tip" markerWidth="9" markerHeight="8" refX="8" refY="4"'
        ' orient="auto"><polygon points="0 0, 9 4, 0 8" fill="#345"/></marker></defs>',
    ]
    for (before, after), verbs in edges.items():
        both = (after, before) in edges
        lines += _arrow(before, after, _words(verbs), shifted=both)
    for name, (x, y) in PLACES.items():
        dash = ' stroke-dasharray="4 3"' if name == GONE else ""
        lines += [
            f'<rect x="{x - WIDTH // 2}" y="{y - HEIGHT // 2}" width="{WIDTH}"'
            f' height="{HEIGHT}"{dash}/>',
            f'<text x="{x}" y="{y + 4}">{name}</text>',
        ]
    lines += [
        '<text x="375" y="290" class="verb">delete (force) leads from every state to'
        " gone; what keeps the state is in the table</text>",
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _cell(state: Status, table: Mapping[Status, Status | None]) -> str:
    """Return what a verb does in *state*."""
    if state not in table:
        return "-"
    after = table[state]
    word = GONE if after is None else after.value
    return "stays" if after is state else f"→ {word}"


def render() -> str:
    """Return the page."""
    lines = [HEAD.rstrip("\n")]
    lines += [f"| `{state.value}` | {text} |" for state, text in MEANINGS.items()]
    lines += [
        "",
        "| verb | " + " | ".join(f"`{state.value}`" for state in Status) + " |",
    ]
    lines += ["|---" * (len(Status) + 1) + "|"]
    for verb, table in TRANSITIONS.items():
        cells = [_cell(state, table) for state in Status]
        lines.append(f"| {verb} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def write() -> None:
    """Write the page and the drawing."""
    (FOLDER / "lifecycle.svg").write_text(draw(), encoding="utf-8")
    (FOLDER / "lifecycle.md").write_text(render(), encoding="utf-8")
