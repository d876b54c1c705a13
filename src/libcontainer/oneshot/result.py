# SPDX-License-Identifier: Apache-2.0
"""How a program ended."""

from __future__ import annotations

import subprocess
from typing import AnyStr, Generic

from libcontainer.cgroups.stats import Stats
from libcontainer.host.children import ExitStatus


class Result(subprocess.CompletedProcess[AnyStr], Generic[AnyStr]):
    """How a program ended, and what it said.

    Attributes:
        args: what was run.
        returncode: its exit code, or minus the signal that ended it.
        stdout: what it wrote, or None where that was not captured.
        stderr: the same for its errors.
        status: how it ended, as the kernel tells it.
        wall_seconds: from the launch to its end.
        verdict: why it ended, as the kernel tells it: ``exited``, ``signalled``,
            ``oom`` (it failed, and something in the container was killed for want
            of memory), ``pids_limit`` (it failed, and was refused a process). The
            last two need a limit.
        stats: what the container had used at its end; None without a limit.
    """

    status: ExitStatus
    wall_seconds: float
    verdict: str
    stats: Stats | None


def verdict_of(status: ExitStatus, stats: Stats | None) -> str:
    """Return why a program ended: the word of `Result.verdict`."""
    if stats is not None and status.returncode != 0:
        if stats.memory.oom_kills:
            return "oom"
        if stats.pids.failures:
            return "pids_limit"
    return "exited" if status.signal is None else "signalled"
