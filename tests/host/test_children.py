# SPDX-License-Identifier: Apache-2.0
"""How a process ended, in every form that people want it in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from libcontainer.handle import signal_number
from libcontainer.host.children import ExitStatus, has_ended, kill_and_reap, reap


@pytest.mark.parametrize(
    ("status", "returncode", "shell"),
    [
        (ExitStatus(code=0), 0, 0),
        (ExitStatus(code=255), 255, 255),
        (ExitStatus(signal=9), -9, 137),
        (ExitStatus(signal=11, core=True), -11, 139),
    ],
)
def test_a_status_reads_as_subprocess_and_as_a_shell_has_it(
    status: ExitStatus, returncode: int, shell: int
) -> None:
    assert (status.returncode, status.shell) == (returncode, shell)


def test_a_status_that_nobody_knows_is_no_success() -> None:
    with pytest.raises(ChildProcessError, match="somebody else reaped"):
        _ = ExitStatus().returncode
    with pytest.raises(ChildProcessError):
        _ = ExitStatus().shell


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("raise SystemExit(3)", ExitStatus(code=3)),
        ("import os; os.kill(os.getpid(), 15)", ExitStatus(signal=15)),
    ],
)
def test_a_child_is_reaped_by_its_pidfd(code: str, expected: ExitStatus) -> None:
    pid = os.posix_spawn(sys.executable, ["python", "-S", "-c", code], os.environ)
    pidfd = os.pidfd_open(pid)
    try:
        assert has_ended(pidfd, 20)
        assert reap(pidfd) == expected
        with pytest.raises(ChildProcessError):
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
    finally:
        os.close(pidfd)


def test_a_child_that_runs_is_not_reaped_until_it_is_killed() -> None:
    pid = os.posix_spawnp("sleep", ["sleep", "100"], os.environ)
    pidfd = os.pidfd_open(pid)
    try:
        assert reap(pidfd) is None
        assert not has_ended(pidfd)
        assert kill_and_reap(pidfd, timeout=20)
        assert kill_and_reap(pidfd, timeout=20)
    finally:
        os.close(pidfd)


def test_another_child_of_the_program_is_left_alone() -> None:
    bystander = subprocess.Popen(["true"])
    pid = os.posix_spawnp("true", ["true"], os.environ)
    pidfd = os.pidfd_open(pid)
    assert kill_and_reap(pidfd, timeout=20)
    os.close(pidfd)
    assert bystander.wait(20) == 0


@pytest.mark.parametrize(
    "word", [15, "15", "TERM", "term", "SIGTERM", "sigterm", signal.SIGTERM]
)
def test_a_signal_is_known_by_number_and_name(word: int | str) -> None:
    assert signal_number(word) == 15


@pytest.mark.parametrize(("word", "number"), [(0, 0), ("KILL", 9), ("RTMIN", 34)])
def test_other_signals_are_known_too(word: int | str, number: int) -> None:
    assert signal_number(word) == number


@pytest.mark.parametrize(
    "word",
    [
        "",
        "NOPE",
        "SIG",
        " TERM",
        "-9",
        -1,
        65,
        "65",
        "\uff11\uff15",
        "\u00b2",
        "SIG_DFL",
    ],
)
def test_no_other_word_is_a_signal(word: int | str) -> None:
    with pytest.raises(ValueError):
        signal_number(word)
