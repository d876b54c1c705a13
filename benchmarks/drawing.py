# SPDX-License-Identifier: Apache-2.0
"""Draws a plot as SVG. Needs matplotlib: the extra ``bench``."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.sections import Plot

_OURS, _THEIRS = "#1f6f8b", "#b8b8b8"


def draw(file: Path, plot: Plot) -> None:
    """Draw *plot* into *file*, the same bytes for the same figures."""
    mpl.rcParams["svg.hashsalt"] = "libcontainer"
    height = 0.28 * len(plot.bars) + 1.2 if plot.bars else 3.6
    figure = Figure(figsize=(7.0, height), layout="constrained")
    axes = figure.subplots()
    if plot.bars:
        names = list(reversed(plot.bars))
        colours = [_OURS if name.startswith("ours") else _THEIRS for name in names]
        drawn = axes.barh(names, [plot.bars[name] for name in names], color=colours)
        axes.bar_label(drawn, fmt="%.2f", padding=3)
        axes.set_xlabel(plot.unit)
    for name, points in plot.lines.items():
        xs, ys = zip(*points, strict=True)
        axes.plot(xs, ys, marker="o", label=name)
    if plot.lines:
        axes.set_xlabel(plot.x_label)
        axes.set_ylabel(plot.unit)
        axes.set_ylim(bottom=0)
        axes.legend()
    axes.set_title(plot.title)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, format="svg", metadata={"Date": None})
