# SPDX-License-Identifier: Apache-2.0
"""What is read of the host for every launch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from libcontainer.config import Config
from libcontainer.host import probe
from libcontainer.process import Process
from tests.plan import samples


@pytest.fixture
def processors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in the place of sysfs' list of processors."""
    monkeypatch.setattr(probe, "_PROCESSORS", str(tmp_path))
    probe.throttled.cache_clear()
    yield tmp_path
    probe.throttled.cache_clear()


def test_each_processor_of_a_physical_machine_tells_of_throttling(
    processors: Path,
) -> None:
    for name in ("cpu0", "cpu1", "cpu10"):
        (processors / name / "thermal_throttle").mkdir(parents=True)
    (processors / "cpufreq").mkdir()
    folder = "/sys/devices/system/cpu"
    assert probe.throttled() == tuple(
        f"{folder}/cpu{number}/thermal_throttle" for number in range(3)
    )


def test_a_virtual_machine_has_nothing_of_it(processors: Path) -> None:
    (processors / "cpu0").mkdir()
    assert probe.throttled() == ()


def test_security_modules_are_looked_at_only_for_who_asks_for_them() -> None:
    plain = Config()
    merged = samples.settings(plain)
    assert probe.read_facts(template=False).security is None
    facts = probe.read_facts(template=False, config=plain, settings=merged)
    assert facts.security is None
    asks = samples.settings(plain, Process(["x"], apparmor_profile="unconfined"))
    facts = probe.read_facts(template=False, config=plain, settings=asks)
    assert facts.security is not None
