# SPDX-License-Identifier: Apache-2.0
"""What is said about a row of samples: minimum, median, p95, ratios. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """The figures of one case, in the unit of its samples.

    `minimum` and `median` are the ones to trust; `p95` shows mostly what the
    neighbours on the machine did.
    """

    count: int
    minimum: float
    median: float
    p95: float


def percentile(samples: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile: always one of the samples.

    Args:
        samples: at least one value, in any order.
        percent: above 0, at most 100.

    Raises:
        ValueError: there are no samples or `percent` is out of range.
    """
    if not samples:
        raise ValueError("percentile of no samples")
    if not 0 < percent <= 100:
        raise ValueError(f"percent must be above 0 and at most 100, not {percent!r}")
    return sorted(samples)[math.ceil(len(samples) * percent / 100) - 1]


def summarise(samples: Sequence[float]) -> Summary:
    """Return count, minimum, median and p95 of at least one sample.

    Raises:
        ValueError: there are no samples.
    """
    return Summary(
        count=len(samples),
        minimum=min(samples),
        median=statistics.median(samples),
        p95=percentile(samples, 95),
    )


def ratio(of: Summary | None, to: Summary | None) -> float | None:
    """Return median of `of` over median of `to`; None when one is missing or zero."""
    if of is None or to is None or to.median == 0:
        return None
    return of.median / to.median
