# SPDX-License-Identifier: Apache-2.0
"""Tables for people: aligned Markdown. Pure."""

from __future__ import annotations

from collections.abc import Sequence

MISSING = "-"

Cell = str | int | float | None


def format_cell(value: Cell) -> str:
    """Return a cell's text: floats with two decimals, None as a dash."""
    if value is None:
        return MISSING
    if isinstance(value, float):
        return f"{value:.2f}"
    return str(value)


def format_table(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return an aligned Markdown table, the first column left, the others right.

    Raises:
        ValueError: a row has not as many cells as the head.
    """
    texts = [[format_cell(cell) for cell in row] for row in rows]
    for row in texts:
        if len(row) != len(head):
            raise ValueError(f"{len(row)} cells in a row under {len(head)} heads")
    widths = [max(map(len, column)) for column in zip(head, *texts, strict=True)]
    first, *others = ["-" * (width + 1) for width in widths]
    rule = "|".join([f"{first}-", *(f"{dashes}:" for dashes in others)])
    lines = [_line(head, widths), f"|{rule}|"]
    lines += [_line(row, widths) for row in texts]
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    aligned = [first[0].ljust(first[1]), *(c.rjust(width) for c, width in others)]
    return "| " + " | ".join(aligned) + " |"
