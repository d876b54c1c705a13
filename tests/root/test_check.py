# SPDX-License-Identifier: Apache-2.0
"""`lc.check` says what works here, and is right about it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.checks.features import FEATURES
from tests import capabilities

pytestmark = pytest.mark.needs("root")

# What every machine offers that these tests run on.
ALWAYS = {
    "containers": None,
    "exec": None,
    "prepare": None,
    "detach": None,
    "terminal": None,
    "init": None,
    "call": None,
    "time-namespace": None,
    "kept-layer": None,
    "seccomp": None,
    "seccomp-notify": None,
    "landlock": None,
    "apparmor": "apparmor",
    "selinux": "selinux",
    "exit-info": "exit_info",
    "veth": "network",
    "nftables": "nft",
}


@pytest.fixture(scope="module")
def found() -> dict[str, lc.Check]:
    return {one.feature: one for one in lc.check()}


def test_every_feature_is_tried_in_order(found: dict[str, lc.Check]) -> None:
    assert list(found) == [feature.name for feature in FEATURES]
    assert len(set(found)) == len(FEATURES)


@pytest.mark.parametrize("name", ALWAYS)
def test_what_the_tests_can_use_works(found: dict[str, lc.Check], name: str) -> None:
    word = ALWAYS[name]
    expected = word is None or capabilities.lacking(word) is None
    assert (found[name].works, found[name].reason or "") == (
        expected,
        found[name].reason if not expected else "",
    )


def test_what_does_not_work_says_why_and_what_to_do(
    found: dict[str, lc.Check],
) -> None:
    for one in found.values():
        assert one.seconds >= 0
        if one.works:
            assert (one.reason, one.fix) == (None, None)
            assert str(one) == f"yes  {one.feature}: {one.what}"
        else:
            assert one.reason
            assert one.fix
            assert str(one).startswith(f"no   {one.feature}: {one.what}\n     reason: ")


def test_nothing_is_left() -> None:
    before = {f for f in os.listdir("/tmp") if f.startswith("libcontainer")}
    [one] = lc.check("memory-limit")
    assert one.feature == "memory-limit"
    assert {f for f in os.listdir("/tmp") if f.startswith("libcontainer")} == before


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="no such feature: nope; there are containers"):
        lc.check("exec", "nope")


def _command(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "libcontainer", "check", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_prints_it() -> None:
    done = _command("containers", "exec")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "yes  containers: to run a program in a container\n"
        "yes  exec: to run a further program in a container\n"
    )
    done = _command("--format", "json", "init")
    assert json.loads(done.stdout)[0]["works"] is True
    # What it imports, and how, is different here.
    done = _command("call")
    assert done.stdout == "yes  call: Python functions in a container\n"
    done = _command("nope")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no such feature" in done.stderr


@pytest.mark.skipif(capabilities.lacking("selinux") is None, reason="SELinux is here")
def test_the_command_fails_where_what_was_named_does_not_work() -> None:
    done = _command("selinux")
    assert done.returncode == 1
    assert "fix: a kernel that has it enabled" in done.stdout


@pytest.mark.needs("userns")
def test_an_ordinary_user_is_told_what_it_lacks(unprivileged: Any) -> None:
    script = """
import libcontainer as lc
for one in lc.check("containers", "user-namespace", "sub-ids", "id-mapped-mounts"):
    print(one.feature, one.works, one.fix)
"""
    lines = unprivileged(script).stdout.splitlines()
    assert lines[:2] == ["containers True None", "user-namespace True None"]
    assert lines[2].startswith("sub-ids False ranges of your own") or (
        lines[2].startswith("sub-ids False more than one id: a range in /etc/subuid")
    )
    assert lines[3].startswith("id-mapped-mounts False be root")


def test_the_page_lists_every_feature() -> None:
    page = Path(__file__).parents[2] / "docs" / "how" / "check.md"
    text = page.read_text()
    assert [f.name for f in FEATURES if f"`{f.name}`" not in text] == []
