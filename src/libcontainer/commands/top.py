# SPDX-License-Identifier: Apache-2.0
"""``libcontainer top``: what every container uses, again and again."""

from __future__ import annotations

import json
import select
import sys
from collections.abc import Mapping
from typing import Any, Final

from libcontainer.cgroups.stats import Stats, cpu_percent
from libcontainer.commands.oci_common import open_factory
from libcontainer.commands.oci_events import seconds_of
from libcontainer.commands.options import Arguments
from libcontainer.errors import LibcontainerError
from libcontainer.factory import Factory

_CLEAR: Final = "\x1b[H\x1b[J"
_COLUMNS: Final = ("ID", "STATUS", "PIDS", "CPU %", "MEMORY", "LIMIT", "PRESSURE %")
_UNITS: Final = ("B", "K", "M", "G", "T", "P", "E")

Row = dict[str, Any]


def top(arguments: Arguments) -> int:
    """Print the table until q, or for ever where nobody types."""
    interval = seconds_of(arguments.interval)
    live = sys.stdout.isatty() and not (arguments.once or arguments.json)
    with open_factory(arguments) as factory:
        before = _measure(factory)
        while True:
            if _told_to_end(interval):
                return 0
            after = _measure(factory)
            rows = [_row(name, *pair, before) for name, pair in after.items()]
            _show(rows, as_json=arguments.json, live=live)
            if arguments.once:
                return 0
            before = after


def _told_to_end(interval: float) -> bool:
    """Wait for the next round; tell whether a q was typed meanwhile."""
    if not sys.stdin.isatty():
        select.select([], [], [], interval)
        return False
    ready, _, _ = select.select([sys.stdin], [], [], interval)
    return bool(ready) and sys.stdin.readline().strip() in {"", "q"}


def _measure(factory: Factory) -> dict[str, tuple[str, Stats | None]]:
    found: dict[str, tuple[str, Stats | None]] = {}
    for container in factory.list():
        try:
            found[container.id] = container.status().value, container.stats()
        except LibcontainerError:
            # It has no cgroup, has not begun, or is gone by now.
            found[container.id] = "", None
    return found


def _row(
    name: str,
    status: str,
    now: Stats | None,
    before: Mapping[str, tuple[str, Stats | None]],
) -> Row:
    _, earlier = before.get(name, ("", None))
    row: Row = {"id": name, "status": status or "-"}
    if now is None:
        return {**row, "pids": None, "cpu_percent": None, "memory": None}
    pressure = now.memory_pressure
    return {
        **row,
        "pids": now.pids.current,
        "cpu_percent": None if earlier is None else round(cpu_percent(earlier, now), 1),
        "memory": now.memory.usage,
        "memory_limit": now.memory.limit,
        "memory_pressure": None if pressure is None else pressure.some_avg10,
        "oom_kills": now.memory.oom_kills,
    }


def _show(rows: list[Row], *, as_json: bool, live: bool) -> None:
    if as_json:
        print(json.dumps(rows), flush=True)
        return
    cells = [_COLUMNS, *(_cells(row) for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(_COLUMNS))]
    lines = [
        "  ".join(
            text.ljust(width) if at < 2 else text.rjust(width)
            for at, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
    print((_CLEAR if live else "") + "\n".join(lines), flush=True)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row["id"],
        row["status"],
        _text(row["pids"]),
        _text(row["cpu_percent"]),
        _size(row["memory"]),
        _size(row.get("memory_limit")),
        _text(row.get("memory_pressure")),
    )


def _text(value: object) -> str:
    return "-" if value is None else str(value)


def _size(value: int | None) -> str:
    """Return bytes with a unit, to three digits."""
    if value is None:
        return "-"
    size, unit = float(value), 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.3g}{_UNITS[unit]}"
