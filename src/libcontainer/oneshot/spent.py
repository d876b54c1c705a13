# SPDX-License-Identifier: Apache-2.0
"""What a container has used, measured before it is deleted."""

from __future__ import annotations

import time
from typing import Self

from attrs import frozen

from libcontainer.cgroups.stats import Stats
from libcontainer.config import Resources
from libcontainer.container import Container
from libcontainer.usage import Usage


@frozen
class Spent:
    """What a container has used at its end.

    Attributes:
        stats: None without a limit.
        usage: what it has cost.
        wall_seconds: from the launch on.
    """

    stats: Stats | None
    usage: Usage
    wall_seconds: float

    @classmethod
    def by(cls, container: Container, begun: float) -> Self:
        """Measure a container that was launched at *begun*, of the monotonic clock."""
        wall_seconds = time.monotonic() - begun
        stats, usage = limited_stats(container), container.usage(wall_seconds)
        return cls(stats, usage, wall_seconds)


def limited_stats(container: Container) -> Stats | None:
    """Return what a verdict needs: the stats of a container that has limits."""
    if container.config.resources == Resources():
        return None
    return container.stats()
