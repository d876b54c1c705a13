# SPDX-License-Identifier: Apache-2.0
"""A slice of the campaign of `tests.faults.interrupts`: nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

import libcontainer as lc
from tests.faults import interrupts

pytestmark = [
    pytest.mark.needs("root", "rootfs"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ROUNDS = 60


@pytest.mark.parametrize(
    "name", [name for name, kept in interrupts.KEPT.items() if kept == interrupts.ALL]
)
def test_an_interrupt_at_any_moment_leaves_nothing(
    name: str, state_root: Path, busybox_rootfs: Path
) -> None:
    with lc.Factory(state_root) as factory:
        work = interrupts.works(factory, busybox_rootfs)[name]
        kept = interrupts.KEPT[name]
        assert interrupts.interrupt(work, ROUNDS, state_root, kept) == []


def test_a_cancellation_at_any_moment_leaves_nothing(
    state_root: Path, busybox_rootfs: Path
) -> None:
    with lc.Factory(state_root) as factory:
        options = {"rootfs": lc.Overlay(str(busybox_rootfs)), "factory": factory}
        assert interrupts.cancel(ROUNDS, state_root, options) == []
