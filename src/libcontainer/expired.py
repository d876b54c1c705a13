# SPDX-License-Identifier: Apache-2.0
"""The errors that are also those of `subprocess`, which takes long to load."""

from __future__ import annotations

import subprocess

from libcontainer.errors import LibcontainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from libcontainer.usage import Usage


class TimeoutExpired(LibcontainerError, subprocess.TimeoutExpired):
    """A process ran longer than it was allowed to.

    Attributes:
        verdict: ``timeout``, beside the words of `Result.verdict`.
    """

    __module__ = "libcontainer.errors"  # where everybody finds it

    verdict = "timeout"
    usage: Usage | None = None
    """What it had used by then, of `run` alone."""


class StillRunning(TimeoutExpired):
    """Something was asked that is known only at the end."""

    def __str__(self) -> str:
        return f"{self.cmd} still runs: wait for its end first"


class CalledProcessError(LibcontainerError, subprocess.CalledProcessError):
    """A process ended with a non-zero status and ``check`` was set."""

    __module__ = "libcontainer.errors"

    verdict = "exited"
