# SPDX-License-Identifier: Apache-2.0
"""What may be asked of a cgroup's events."""

from __future__ import annotations

import pytest

from libcontainer.cgroups.watch import (
    MemoryLevel,
    PressureTrigger,
    Wanted,
    check_wanted,
)
from libcontainer.errors import ConfigError


@pytest.mark.parametrize(
    "wanted",
    [
        (),
        ("oom", "memory", "populated", "frozen"),
        (PressureTrigger("cpu"), PressureTrigger("irq", "full", 1, 500_000)),
        (PressureTrigger("io", "full", 10_000_000, 10_000_000, "system"),),
        (MemoryLevel("low"), MemoryLevel("critical", "local")),
    ],
)
def test_what_the_kernel_can_tell_may_be_asked(wanted: tuple[Wanted, ...]) -> None:
    assert check_wanted(wanted) == wanted


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ("level", "events[0]"),
        ("pressure", "events[0]"),
        ("", "events[0]"),
        (7, "events[0]"),
        (PressureTrigger("disk"), "events[0].resource"),
        (PressureTrigger("cpu", "all"), "events[0].kind"),
        (PressureTrigger("irq", "some"), "events[0].kind"),
        (PressureTrigger("cpu", scope="host"), "events[0].scope"),
        (PressureTrigger("cpu", stall_us=0), "events[0].stall_us"),
        (PressureTrigger("cpu", stall_us=2_000_001), "events[0].stall_us"),
        (PressureTrigger("cpu", window_us=499_999), "events[0].window_us"),
        (PressureTrigger("cpu", window_us=10_000_001), "events[0].window_us"),
        (PressureTrigger("cpu", window_us="1"), "events[0].window_us"),  # type: ignore[arg-type]
        (MemoryLevel("high"), "events[0].level"),
        (MemoryLevel("low", "global"), "events[0].mode"),
    ],
)
def test_anything_else_is_refused_with_its_place(wanted: object, path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_wanted([wanted])
    assert [problem.path for problem in caught.value.problems] == [path]
