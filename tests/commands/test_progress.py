# SPDX-License-Identifier: Apache-2.0
"""Who waits at a terminal is told how far it is; nobody else is."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.campaigns.rows import Rows

SLOW = """
import time
from libcontainer.commands import progress
progress.PATIENCE = 0.3
with progress.Waiting("making one"{more}) as waiting:
    time.sleep(0.8)
    waiting.text = "making two"
    time.sleep(0.5)
"""


def at_a_terminal(script: str) -> str:
    """Run a program whose standard error is a terminal; return what that gets."""
    master, slave = pty.openpty()
    done = subprocess.Popen([sys.executable, "-c", script], stderr=slave)
    os.close(slave)
    seen = b""
    try:
        while data := os.read(master, 4096):
            seen += data
    except OSError:
        pass  # the end of a terminal is EIO
    os.close(master)
    assert done.wait() == 0, seen
    return seen.decode()


def test_a_line_comes_after_a_while_changes_and_goes() -> None:
    seen = at_a_terminal(SLOW.format(more="")).split("\r\x1b[K")
    assert seen[0] == ""
    assert seen[1] == "making one, 0 s"
    assert seen[-2] == "making two, 1 s"
    assert seen[-1] == ""


@pytest.mark.parametrize(
    "script",
    [
        SLOW.format(more=", quiet=True"),
        SLOW.format(more="").replace("sleep(0.8)", "sleep(0)").replace("0.5", "0"),
    ],
    ids=["quiet", "quick"],
)
def test_nothing_is_written_where_nobody_waits(script: str) -> None:
    assert at_a_terminal(script) == ""


def test_nothing_is_written_to_what_is_no_terminal() -> None:
    command = [sys.executable, "-c", SLOW.format(more="")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_a_campaign_tells_how_far_it_is(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path\nfrom tests.campaigns.rows import Rows\n"
        f"rows = Rows('x', place=Path({str(tmp_path)!r}))\n"
        "rows.add('a', 'good')\nrows.add('b', 'it broke')\nrows.close()\n"
    )
    seen = at_a_terminal(script).split("\r\x1b[K")
    assert seen[1:3] == ["1 tried, 0 findings, last a", "2 tried, 1 findings, last b"]
    assert seen[-1] == ""
    rows = Rows("x", place=tmp_path)
    assert "a" in rows
    assert "b" not in rows
    rows.close()
