# SPDX-License-Identifier: Apache-2.0
"""The quiet gate: a sample is "cold" only if the machine was idle before it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

_STAT = Path("/proc/stat")


def parse_cpu_times(text: str) -> list[tuple[int, int]]:
    """Return (idle, all) ticks of each CPU from the text of /proc/stat. Pure."""
    times = []
    for line in text.splitlines():
        name, *fields = line.split()
        if not name.startswith("cpu") or name == "cpu":
            continue
        # user nice system idle iowait irq softirq steal; guest is part of user.
        ticks = [int(value) for value in fields[:8]]
        times.append((ticks[3] + ticks[4], sum(ticks)))
    return times


def are_idle(
    before: list[tuple[int, int]], after: list[tuple[int, int]], share: float
) -> bool:
    """Tell whether every CPU was idle for at least `share` of the time between."""
    return all(
        idle_after - idle_before >= share * (all_after - all_before)
        for (idle_before, all_before), (idle_after, all_after) in zip(
            before, after, strict=True
        )
    )


@dataclass
class QuietGate:
    """Waits until each CPU was idle for `share` of a window.

    Attributes:
        window_seconds: how long the machine must have been quiet.
        patience_seconds: after this long the sample is taken all the same.
        disturbed: how often patience ran out.
    """

    window_seconds: float = 0.05
    share: float = 0.9
    patience_seconds: float = 5.0
    disturbed: int = field(default=0, init=False)

    def wait(self) -> None:
        """Sleep until the machine is quiet or patience runs out."""
        deadline = time.monotonic() + self.patience_seconds
        while time.monotonic() < deadline:
            before = parse_cpu_times(_STAT.read_text())
            time.sleep(self.window_seconds)
            if are_idle(before, parse_cpu_times(_STAT.read_text()), self.share):
                return
        self.disturbed += 1
