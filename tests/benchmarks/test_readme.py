# SPDX-License-Identifier: Apache-2.0
"""Every command in the page of benchmarks is one."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from benchmarks import __main__ as program

TOP = Path(__file__).resolve().parents[2]
PAGE = (TOP / "benchmarks" / "README.md").read_text()
COMMANDS = re.findall(r"^python -m benchmarks (.*?)\s*(?:#.*)?$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_is_understood(command: str) -> None:
    options = program.make_parser().parse_args(shlex.split(command))
    assert callable(options.run)


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 8


@pytest.mark.needs("root", "rootfs", "compiler")
def test_the_floor_is_built_and_run_as_the_page_says(tmp_path: Path) -> None:
    rootfs = tmp_path / "rootfs"
    for name in ("bin", "proc", "dev", "sys"):
        (rootfs / name).mkdir(parents=True)
    subprocess.run(
        f"cp $(command -v busybox) {rootfs}/bin/true", shell=True, check=True
    )
    build, run = re.findall(r"^(gcc .*|\./floor .*?)\s*(?:#.*)?$", PAGE, re.MULTILINE)
    build = build.replace("-o floor", f"-o {tmp_path}/floor")
    subprocess.run(shlex.split(build), check=True, cwd=TOP)
    words = shlex.split(run.replace("100", "3").replace("ROOTFS", str(rootfs)))
    done = subprocess.run(
        [f"{tmp_path}/floor", *words[1:]], capture_output=True, text=True, check=True
    )
    assert '"n": 3' in done.stdout
