# SPDX-License-Identifier: Apache-2.0
"""The parts of the page of performance: each measures one thing and tells it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

from benchmarks.table import Cell


@dataclass
class Table:
    """Rows under heads, the first column a name."""

    head: list[str]
    rows: list[list[Cell]]


@dataclass
class Plot:
    """Bars of one value a name, or lines through points (x, y)."""

    title: str
    unit: str
    bars: dict[str, float] = field(default_factory=dict)
    lines: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    x_label: str = ""


@dataclass
class Told:
    """What a section says."""

    title: str
    text: str
    tables: list[Table] = field(default_factory=list)
    plots: list[Plot] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def from_json(document: Mapping[str, Any]) -> Told:
    """Return what `Told.to_json` gave."""
    fields = dict(document)
    fields["tables"] = [Table(**table) for table in fields["tables"]]
    fields["plots"] = [
        Plot(
            **{
                **plot,
                "lines": {
                    name: [(point[0], point[1]) for point in points]
                    for name, points in plot["lines"].items()
                },
            }
        )
        for plot in fields["plots"]
    ]
    return Told(**fields)


Section = Callable[[int], Told]
"""Measures with about so many samples of each, 10 for a quick look."""


def sections() -> Mapping[str, Section]:
    """Return every section by name, in the order of the page."""
    from benchmarks.sections import (  # noqa: PLC0415 - they need this module
        command_line,
        entering,
        launching,
        lifecycle,
        ray,
        scale,
        size,
        surroundings,
    )

    return MappingProxyType(
        {
            "launch": launching.measure,
            "life": lifecycle.measure,
            "enter": entering.measure,
            "throughput": scale.measure_throughput,
            "alive": scale.measure_alive,
            "heap": surroundings.measure_heap,
            "threads": surroundings.measure_threads,
            "mounts": surroundings.measure_mounts,
            "commands": command_line.measure,
            "memory": size.measure_memory,
            "counts": size.measure_counts,
            "ray": ray.measure,
        }
    )
