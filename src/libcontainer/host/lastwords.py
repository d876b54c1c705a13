# SPDX-License-Identifier: Apache-2.0
"""How a process has ended, for whoever must not reap it or is not its parent."""

from __future__ import annotations

from libcontainer.bindings.waitid import WaitFlag, waitid
from libcontainer.host.children import ExitStatus, decode_info, lost_status
from libcontainer.host.exitrecord import ExitRecord
from libcontainer.host.zombie import zombie_status
from libcontainer.state import ProcessRecord

_PEEK = int(WaitFlag.WEXITED | WaitFlag.WNOHANG | WaitFlag.WNOWAIT)


def peek_status(
    pidfd: int, process: ProcessRecord, record: ExitRecord | None = None
) -> ExitStatus:
    """Return how a process that has ended did; nothing is reaped, nothing waited for.

    Args:
        pidfd: of the process.
        process: who it is.
        record: where its end may be written down.

    Returns:
        An empty status where nobody can know, or not yet.
    """
    written = None if record is None else record.read()
    if written is not None:
        return written[0]
    try:
        ended = waitid(pidfd, _PEEK)
    except ChildProcessError:
        ended = None  # somebody else's child, or reaped already
    if ended is not None:
        return decode_info(*ended)
    return zombie_status(process) or lost_status(pidfd)
