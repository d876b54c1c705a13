# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests that checkpoint real containers."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import libcontainer as lc
from tests.capabilities import working_criu


@pytest.fixture
def factory(state_root: Path) -> Iterator[lc.Factory]:
    state_root.chmod(0o700)
    with lc.Factory(state_root) as made:
        yield made
        assert made.list() == []


@pytest.fixture
def options() -> lc.CriuOptions:
    """The options of a CRIU that works here."""
    path = working_criu()
    assert path is not None
    return lc.CriuOptions(criu=path, timeout_seconds=300)


@pytest.fixture(scope="session")
def programs(public_tmp: Path) -> Path:
    target = public_tmp / "checkpoint-programs"
    source = Path(__file__).with_name("programs.c")
    command = ["gcc", "-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", target]
    subprocess.run([*command, source], check=True)
    return target


@pytest.fixture
def rootfs(tmp_path: Path, busybox_rootfs: Path, programs: Path) -> Path:
    """A root filesystem of the test's own, which lasts as long as the test."""
    made = tmp_path / "rootfs"
    shutil.copytree(busybox_rootfs, made, symlinks=True)
    shutil.copy(programs, made / "program")
    return made
