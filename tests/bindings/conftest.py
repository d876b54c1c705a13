# SPDX-License-Identifier: Apache-2.0
"""Throw-away processes for calls that change who makes them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import capabilities

InChild = Callable[..., str]

_PROGRAM = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

// Says on fd 100, if that is open, how it was started; ends with status 7.
int main(int argc, char **argv, char **envp) {
    sigset_t blocked;
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    if (fcntl(100, F_GETFD) >= 0) {
        for (int i = 0; i < argc; i++) dprintf(100, "arg %s\n", argv[i]);
        for (int i = 0; envp[i]; i++) dprintf(100, "env %s\n", envp[i]);
        for (int fd = 0; fd < 1024; fd++)
            if (fcntl(fd, F_GETFD) >= 0) dprintf(100, "fd %d\n", fd);
        for (int n = 1; n < 32; n++)
            if (sigismember(&blocked, n)) dprintf(100, "blocked %d\n", n);
        for (int n = 1; n < 65; n++) {
            struct sigaction action;
            if (sigaction(n, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
                dprintf(100, "ignored %d\n", n);
        }
    }
    return 7;
}
"""


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A static program that ends with status 7 and reports on fd 100."""
    if reason := capabilities.lacking("compiler"):
        pytest.skip(reason)
    directory = tmp_path_factory.mktemp("program")
    source = directory / "program.c"
    source.write_text(_PROGRAM)
    binary = directory / "program"
    subprocess.run(["gcc", "-static", "-O1", "-o", binary, source], check=True)
    return binary


@pytest.fixture
def in_child() -> InChild:
    """Run a script in a fresh interpreter and return what it printed."""

    def run(script: str, *args: object, timeout: float = 60) -> str:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script), *map(str, args)],
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
