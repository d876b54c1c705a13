# SPDX-License-Identifier: Apache-2.0
"""How a process ended that its parent has not reaped yet, for everybody else."""

from __future__ import annotations

from libcontainer.bindings.capabilities import CAP_SYS_PTRACE, capget
from libcontainer.host.children import ExitStatus, decode
from libcontainer.host.procstat import zombie_code
from libcontainer.state import ProcessRecord


def zombie_status(process: ProcessRecord) -> ExitStatus | None:
    """Return how a process ended that nobody has reaped yet; None if it cannot tell.

    Source: proc_pid_stat(5), ``exit_code``. It reads as 0 for whoever may not see it.
    """
    code = zombie_code(process.host_pid, process.start_time)
    if code is None or (code == 0 and not _may_see()):
        return None
    return decode(code)


def _may_see() -> bool:
    return bool(capget().effective >> CAP_SYS_PTRACE & 1)
