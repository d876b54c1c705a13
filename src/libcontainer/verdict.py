# SPDX-License-Identifier: Apache-2.0
"""Why a program ended, as the kernel tells it. Pure."""

from __future__ import annotations

import enum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from libcontainer.cgroups.stats import Stats
    from libcontainer.host.children import ExitStatus


class Verdict(enum.StrEnum):
    """Why a program ended. Each is a text as well: ``result.verdict == "oom"``."""

    EXITED = "exited"
    """By itself, with an exit code."""
    SIGNALLED = "signalled"
    """By a signal."""
    OOM = "oom"
    """It failed, and something in its container was killed for want of memory."""
    PIDS_LIMIT = "pids_limit"
    """It failed, and was refused a process."""
    TIMEOUT = "timeout"
    """It was killed when its time was up; the verdict of a `TimeoutExpired`."""
    SETUP = "setup"
    """It never ran; the verdict of an error from before the program began."""


def verdict_of(status: ExitStatus, stats: Stats | None) -> Verdict:
    """Return why a program ended.

    Args:
        status: how it ended.
        stats: what its container had used then; without it nothing is said of
            memory and processes.
    """
    if stats is not None and (status.signal is not None or status.code != 0):
        if stats.memory.oom_kills:
            return Verdict.OOM
        if stats.pids.failures:
            return Verdict.PIDS_LIMIT
    return Verdict.EXITED if status.signal is None else Verdict.SIGNALLED
