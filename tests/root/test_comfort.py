# SPDX-License-Identifier: Apache-2.0
"""``libcontainer top`` and ``completion``, as a person uses them."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import libcontainer as lc
from libcontainer.commands.argparsed import full_parser
from libcontainer.commands.completion import SHELLS, render

COMMAND = [sys.executable, "-m", "libcontainer"]


@pytest.mark.needs("root", "rootfs", "cgroup1")
def test_top_shows_what_a_container_uses(
    state_root: Path, busybox_rootfs: Path
) -> None:
    state_root.chmod(0o700)
    command = [*COMMAND, "--root", str(state_root), "top", "--once", "--interval"]
    limits = lc.Resources(memory="64M", pids=16)
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), resources=limits)
    with lc.Factory(state_root) as factory, factory.create("busy", config) as box:
        box.run(lc.Process(["sh", "-c", "while true; do true; done"]))
        told = subprocess.check_output([*command, "300ms", "--json"], text=True)
        table = subprocess.check_output([*command, "100ms"], text=True)
    (row,) = json.loads(told)
    assert (row["id"], row["status"], row["pids"]) == ("busy", "running", 1)
    assert row["cpu_percent"] > 5
    assert 0 < row["memory"] <= row["memory_limit"] == 64 * lc.MIB
    head, line = table.splitlines()
    assert head.split()[:4] == ["ID", "STATUS", "PIDS", "CPU"]
    assert line.split()[:3] == ["busy", "running", "1"]
    assert "64M" in line.split()


@pytest.mark.needs("root")
def test_top_is_live_on_a_terminal_and_ends_with_q(state_root: Path) -> None:
    state_root.chmod(0o700)
    ours, theirs = pty.openpty()
    command = [*COMMAND, "--root", str(state_root), "top", "--interval", "50ms"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs) as process:
        os.close(theirs)
        seen, deadline = b"", time.monotonic() + 30
        while seen.count(b"\x1b[H") < 2:
            assert time.monotonic() < deadline, seen
            if select.select([ours], [], [], 1)[0]:
                seen += os.read(ours, 4096)
        os.write(ours, b"q\n")
        assert process.wait(20) == 0
    os.close(ours)


def test_a_wrong_interval_is_one_line(state_root: Path) -> None:
    command = [*COMMAND, "--root", str(state_root), "top", "--interval", "soon"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "must be a time such as 5s" in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_knows_every_command(shell: str) -> None:
    script = subprocess.check_output([*COMMAND, "completion", shell], text=True)
    assert script == render(full_parser(), shell)
    for word in ("checkpoint", "update", "top", "completion"):
        assert word in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)


def completed(script: str, *words: str) -> list[str]:
    """What bash offers for the last of some words."""
    line = " ".join(f"'{word}'" for word in words)
    ask = f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _libcontainer;"
    command = ["bash", "-c", f"{script}\n{ask} printf '%s\\n' \"${{COMPREPLY[@]}}\""]
    return subprocess.check_output(command, text=True).split()


def test_bash_completes_commands_and_options() -> None:
    script = render(full_parser(), "bash")
    found = completed(script, "libcontainer", "chec")
    assert sorted(found) == ["check", "checkpoint"]
    assert completed(script, "libcontainer", "--root", "/x", "paus") == ["pause"]
    options = completed(script, "libcontainer", "delete", "--")
    assert set(options) >= {"--force", "--regex", "--help"}
