# SPDX-License-Identifier: Apache-2.0
"""In which order samples are taken, so that no contender gets the good moments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from benchmarks.contender import Contender, LaunchError
from benchmarks.quiet import QuietGate

TIGHT_BLOCK = 12
TIGHT_DROPPED = 2

T = TypeVar("T")


@dataclass
class Samples:
    """Microseconds of each contender, and the launches that failed."""

    taken: dict[str, list[float]] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)

    def take(self, contender: Contender, *, keep: bool = True) -> None:
        """Launch once and note the outcome; `keep` False only warms up."""
        values = self.taken.setdefault(contender.name, [])
        try:
            microseconds = contender.launch()
        except LaunchError:
            self.failed[contender.name] = self.failed.get(contender.name, 0) + 1
        else:
            if keep:
                values.append(microseconds)


def rotations(items: Sequence[T], count: int) -> Iterator[list[T]]:
    """Yield `items` `count` times, each time beginning one further on. Pure."""
    for turn in range(count):
        start = turn % max(len(items), 1)
        yield [*items[start:], *items[:start]]


def sample_cold(contenders: Sequence[Contender], runs: int, gate: QuietGate) -> Samples:
    """Take one sample of each in turn, each after the machine was quiet."""
    samples = Samples()
    for order in rotations(contenders, runs):
        for contender in order:
            gate.wait()
            samples.take(contender)
    return samples


def sample_tight(contenders: Sequence[Contender], runs: int) -> Samples:
    """Take blocks of launches back to back, blocks of all contenders in turn.

    The first launches of a block only warm up. `runs` is rounded up to whole blocks.
    """
    samples = Samples()
    kept = TIGHT_BLOCK - TIGHT_DROPPED
    for order in rotations(contenders, -(-runs // kept)):
        for contender in order:
            for i in range(TIGHT_BLOCK):
                samples.take(contender, keep=i >= TIGHT_DROPPED)
    return samples
