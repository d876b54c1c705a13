# SPDX-License-Identifier: Apache-2.0
"""How a program ended."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any, AnyStr, Generic

from libcontainer.host.children import ExitStatus
from libcontainer.verdict import Verdict, verdict_of

if TYPE_CHECKING:
    from libcontainer.cgroups.stats import Stats
    from libcontainer.oneshot.spent import Spent
    from libcontainer.usage import Usage


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
            last two need a limit. An error has a verdict too: ``timeout`` of a
            `TimeoutExpired`, that of the program of a `CalledProcessError`, that of
            the function's process of a `CallError`, ``setup`` of one from before
            the program began.
        usage: what it has cost: processor time, memory, input and output.
        stats: what the container had used at its end; None without a limit.
    """

    status: ExitStatus
    wall_seconds: float
    verdict: Verdict
    usage: Usage
    stats: Stats | None

    @classmethod
    def of(
        cls,
        args: Any,  # noqa: ANN401 - a word or words
        status: ExitStatus,
        spent: Spent,
        out: AnyStr | None,
        err: AnyStr | None,
    ) -> Result[AnyStr]:
        """Return the result of a program whose container was measured."""
        made: Result[AnyStr] = Result(args, status.returncode, out, err)
        made.status = status
        made.stats, made.usage = spent.stats, spent.usage
        made.wall_seconds = spent.wall_seconds
        made.verdict = verdict_of(status, spent.stats)
        return made
