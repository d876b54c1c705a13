# SPDX-License-Identifier: Apache-2.0
"""The picture of docs/reference/trust.md: faults by operation, and their answers."""

from __future__ import annotations

import html
from typing import Any

_CELL, _LEFT, _TOP = 34, 150, 60
_COLORS = {"refused": (46, 125, 50), "unaffected": (144, 202, 249),
           "caller died": (120, 120, 120)}  # fmt: skip


def draw(found: dict[str, Any]) -> str:
    """Return the picture: how each fault was answered, by operation and side."""
    cells = found.get("faults", {}).get("calls", {}).get("figures", {}).get("cells", {})
    actions = list(dict.fromkeys(name.partition("|")[0] for name in cells))
    stages = list(dict.fromkeys(name.partition("|")[2] for name in cells))
    width, height = (
        _LEFT + _CELL * 2 * len(stages) + 20,
        _TOP + _CELL * len(actions) + 60,
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        ' font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for column, stage in enumerate(stages):
        x = _LEFT + _CELL * 2 * column + 4
        for line, word in enumerate(stage.split()):
            parts.append(f'<text x="{x}" y="{_TOP - 28 + 14 * line}">{word}</text>')
    for line, action in enumerate(actions):
        y = _TOP + _CELL * line
        parts.append(f'<text x="8" y="{y + 20}">{html.escape(action)}</text>')
        for column, stage in enumerate(stages):
            counts = cells.get(f"{action}|{stage}")
            if counts:
                parts += _bars(_LEFT + _CELL * 2 * column, y, counts)
    x = 8
    for word, color in _COLORS.items():
        y = _TOP + _CELL * len(actions) + 24
        parts.append(
            f'<rect x="{x}" y="{y}" width="12" height="12" fill="rgb{color}"/>'
        )
        parts.append(f'<text x="{x + 16}" y="{y + 10}">{word}</text>')
        x += 110
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bars(x: int, y: int, counts: dict[str, int]) -> list[str]:
    """One cell: the answers side by side, and how many trials there were."""
    total, room, parts = sum(counts.values()), _CELL * 2 - 6, []
    at = float(x)
    for word, color in _COLORS.items():
        share = counts.get(word, 0) / total * room
        parts.append(f'<rect x="{at:.1f}" y="{y}" width="{share:.1f}"'
                     f' height="{_CELL - 6}" fill="rgb{color}"/>')  # fmt: skip
        at += share
    parts.append(f'<text x="{x + 4}" y="{y + 18}">{total}</text>')
    return parts
