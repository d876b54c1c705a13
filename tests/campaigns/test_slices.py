# SPDX-License-Identifier: Apache-2.0
"""A short slice of each campaign, the same every time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.campaigns.rows import PLACE, ROOT, read

pytestmark = [
    pytest.mark.needs("root", "rootfs", "compiler", "cgroup1"),
    pytest.mark.slow,
]

Campaign = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def campaign() -> Iterator[Campaign]:
    """Run a slice of a campaign; return its rows, all of which are good."""
    PLACE.mkdir(exist_ok=True)
    # Not in /tmp: that is another one where the campaign is.
    place = PLACE / f"slice-{os.getpid()}"

    def run(name: str, *words: str) -> list[dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", f"tests.campaigns.{name}", *words],
            cwd=ROOT,
            env=os.environ | {"LIBCONTAINER_TRUST": str(place)},
            capture_output=True,
            text=True,
            check=False,
            timeout=110,
        )
        rows = [row for row in read(name, place) if "verdict" in row]
        assert done.returncode == 0, done.stdout + done.stderr
        assert [row for row in rows if row["verdict"] != "good"] == []
        return rows

    yield run
    shutil.rmtree(place, ignore_errors=True)


def test_strikes(campaign: Campaign) -> None:
    words = ["--only", "calls", "--kind", "plain", "--every", "97"]
    for action in ("kill", "EIO", "short", "ENOMEM"):
        words += ["--action", action]
    rows = campaign("faults", *words)
    answers = {row["answer"] for row in rows}
    assert {"refused", "unaffected", "caller died"} <= answers
    assert len(rows) > 40


def test_a_kernel_without_a_call(campaign: Campaign) -> None:
    """Refused, or as strong as ever: what is seen inside is the same."""
    rows = campaign("faults", "--only", "calls", "--kind", "plain", "--command", "run",
                    "--action", "ENOSYS every")  # fmt: skip
    answers = {row["call"]: row["answer"] for row in rows}
    for call in ("close_range", "openat2", "mount_setattr", "seccomp", "rt_sigaction"):
        assert answers[call] == "refused", call


def test_exceptions(campaign: Campaign) -> None:
    rows = campaign("faults", "--only", "exceptions", "--every", "1499")
    assert {row["answer"] for row in rows} >= {"undone at once"}
    assert len(rows) > 20


def test_limits(campaign: Campaign) -> None:
    rows = campaign("faults", "--only", "limits", "--every", "19")
    assert {row["answer"] for row in rows} == {"refused", "unaffected"}


def test_load(campaign: Campaign) -> None:
    words = [word for name in ("alive-1000", "execs", "short", "creates", "cycles")
             for word in ("--only", name)]  # fmt: skip
    rows = campaign("load", *words, "--scale", "0.5")
    assert len(rows) == 5


def test_races_of_lives(campaign: Campaign) -> None:
    (row,) = campaign("load", "--only", "lives", "--scale", "0.5")
    assert row["figures"]["done"] > 20


@pytest.mark.parametrize(
    ("target", "scale"), [("config", "0.02"), ("texts", "0.2"), ("launches", "0.3")]
)
def test_fuzz(campaign: Campaign, target: str, scale: str) -> None:
    rows = campaign("fuzz", "--only", target, "--scale", scale)
    assert sum(row["count"] for row in rows) >= 60
