# SPDX-License-Identifier: Apache-2.0
"""waitid(2): wait for one child by its pidfd."""

from __future__ import annotations

import contextlib
from enum import IntFlag

from libcontainer.bindings._lib import check, ffi, lib

_WALL = 0x40000000


class WaitFlag(IntFlag):
    """What to wait for."""

    WNOHANG = 0x1
    WSTOPPED = 0x2
    WEXITED = 0x4
    WCONTINUED = 0x8
    WNOWAIT = 0x1000000


def waitid(pidfd: int, options: int = WaitFlag.WEXITED) -> tuple[int, int] | None:
    """Wait for the child behind a pidfd, and for no other.

    Args:
        pidfd: of a child of the calling process, by whatever thread it was started
            (``__WALL`` is added).
        options: `WaitFlag`. ``WEXITED`` reaps it, unless ``WNOWAIT`` is set.

    Returns:
        ``(code, status)``: code is ``os.CLD_EXITED`` with an exit code, or
        ``os.CLD_KILLED`` and ``os.CLD_DUMPED`` with a signal number (or a stop or
        continue code with the signal). None: it has not ended, with ``WNOHANG``.

    Raises:
        ChildProcessError: it is not, or no longer, a child of the caller: somebody else
            reaped it, or SIGCHLD is ignored.
        OSError: ``EBADF``, ``EINVAL``: no pidfd, or wrong options.

    Linux >= 5.4.
    """
    cells = ffi.new("int[2]")
    while True:
        result = lib.lc_waitid_pidfd(pidfd, options | _WALL, cells, cells + 1)
        if result >= 0:
            return (cells[0], cells[1]) if result else None
        # As PEP 475 has it: a signal handler has run and did not raise.
        with contextlib.suppress(InterruptedError):
            check(result, "waitid", f"P_PIDFD {pidfd}", WaitFlag(options))
