# SPDX-License-Identifier: Apache-2.0
"""Builds the helper and the parser's fuzz program once for all native tests."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.native.helper_driver import NATIVE, Plan, Run
from tests.native.small_container import Container, Make, Start


def helper_flags() -> list[str]:
    """Return the flags the package itself builds the helper with."""
    flags: list[str] = runpy.run_path(str(NATIVE / "build.py"))["HELPER_FLAGS"]
    return flags


def compile_helper(compiler: str, output: Path, *more: str) -> None:
    """Compile the helper; any warning fails."""
    sources = sorted(map(str, (NATIVE / "helper").glob("*.c")))
    command = [compiler, *helper_flags(), *more, f"-I{NATIVE}", "-o", str(output)]
    subprocess.run([*command, *sources], check=True)


@pytest.fixture(scope="session")
def build_helper() -> Callable[..., None]:
    """The function that compiles the helper: compiler, output, further flags."""
    return compile_helper


@pytest.fixture(scope="session")
def helper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The helper's binary."""
    output = tmp_path_factory.mktemp("helper") / "helper"
    compile_helper("gcc", output, "-Wconversion")
    output.parent.chmod(0o755)
    return output


@pytest.fixture(scope="session")
def monitor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The monitor's binary."""
    output = tmp_path_factory.mktemp("monitor") / "monitor"
    sources = runpy.run_path(str(NATIVE / "build.py"))["PROGRAMS"]["monitor"]
    command = ["gcc", *helper_flags(), "-Wconversion", f"-I{NATIVE}", "-o", output]
    subprocess.run([*command, *sources], check=True)
    return output


@pytest.fixture(scope="session")
def fuzz_plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parser on its own, with address and undefined behaviour sanitizers."""
    output = tmp_path_factory.mktemp("fuzz") / "fuzz_plan"
    flags = "-std=c11 -O1 -g -Wall -Wextra -Wconversion -Werror"
    sanitizers = "-fsanitize=address,undefined -fno-sanitize-recover=all"
    sources = NATIVE / "fuzz" / "fuzz_plan.c", NATIVE / "helper" / "plan.c"
    command = ["gcc", *flags.split(), *sanitizers.split(), "-o", output, *sources]
    subprocess.run(command, check=True)
    return output


@pytest.fixture
def run(helper: Path) -> Iterator[Callable[..., Run]]:
    """Start the helper on a plan; nothing of it outlives the test."""
    runs: list[Run] = []
    before = set(os.listdir("/proc/self/fd"))

    def start(
        plan: Plan | bytes, extra_fds: Sequence[int] = (), user: int | None = None
    ) -> Run:
        runs.append(Run(helper, plan, extra_fds, user))
        return runs[-1]

    yield start
    for started in runs:
        started.__exit__()
    with pytest.raises(ChildProcessError):
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG)
    assert len(os.listdir("/proc/self/fd")) <= len(before)


@pytest.fixture
def rootfs(tmp_path: Path) -> Iterator[Path]:
    """A root filesystem with a static shell; nothing is mounted on it afterwards."""
    root = tmp_path / "rootfs"
    for name in ("bin", "proc", "dev", "etc", "tmp"):
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin" / "busybox")
    for name in ("sh", "cat", "id", "ls", "mount", "true"):
        (root / "bin" / name).symlink_to("busybox")
    yield root
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


@pytest.fixture
def container(rootfs: Path, run: Start) -> Iterator[Make]:
    """Make the plan of a small container; closed before `run` looks for leaks."""
    assert run is not None
    made: list[Container] = []

    def make(**options: int) -> Container:
        made.append(Container(rootfs, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()
