# SPDX-License-Identifier: Apache-2.0
"""Writes the page of performance, with its plots if matplotlib is there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.sections import Told
from benchmarks.table import format_table

_HEAD = """\
# Performance

Made by `./dev bench report --fresh --write`: everything below was measured in that
run, on one machine, ours and the peers in turn. Ratios travel from machine to machine,
figures do not. *Cold* is a launch on a machine that was idle before, *tight* one of
many back to back; both are told because a grace period of the kernel hides in the
first. Method and contenders: `benchmarks/README.md`.
"""


def write_page(page: Path, measured: Sequence[dict[str, Any]]) -> None:
    """Write the page and its plots, which lie in a folder beside it."""
    parts = [_HEAD]
    if measured:
        first = measured[0]
        machine = first["machine"]
        about = f"Linux {machine['release']}, {machine['machine']}, {first['taken']}"
        parts.append(about + (" (few samples)" if first["quick"] else "") + ".")
    parts += [_section(page, found["name"], found["told"]) for found in measured]
    page.write_text("\n\n".join(part.strip() for part in parts) + "\n")


def _section(page: Path, name: str, told: Told) -> str:
    parts = [f"## {told.title}", told.text]
    parts += [format_table(table.head, table.rows) for table in told.tables]
    for number, plot in enumerate(told.plots, start=1):
        file = page.parent / "performance" / f"{name}-{number}.svg"
        if _draw(file, plot):
            parts.append(f"![{plot.title}](performance/{file.name})")
    if told.missing:
        gone = "; ".join(f"{who}: {why}" for who, why in told.missing.items())
        parts.append(f"Not measured: {gone}.")
    return "\n\n".join(parts)


def _draw(file: Path, plot: Any) -> bool:  # noqa: ANN401
    try:
        from benchmarks.drawing import draw  # noqa: PLC0415 - matplotlib is an extra
    except ImportError:
        return False
    file.parent.mkdir(exist_ok=True)
    draw(file, plot)
    return True
