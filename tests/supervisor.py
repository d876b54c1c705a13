# SPDX-License-Identifier: Apache-2.0
"""A parent for the test run, to which the kernel hands its orphans.

The leak oracle must tell what a test left behind from what else runs on the
machine. With a subreaper above pytest every process that a test ever started
stays below one known pid, while pytest itself, which plays the embedding
program, is not a subreaper and sees its children as any program would.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from types import FrameType

from tests import leaks

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}, {value})")


def supervise() -> None:
    """Fork: the child returns and runs the tests, the parent never returns."""
    supervisor = os.getpid()
    child = os.fork()
    if child == 0:
        _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        os.environ[leaks.SUPERVISOR] = str(supervisor)
        return
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    os._exit(_reap_until_gone(child))


def _reap_until_gone(child: int) -> int:
    def forward(number: int, _frame: FrameType | None) -> None:
        # It may have ended just now.
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)

    # Ctrl-C reaches the child by the terminal already.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, forward)
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
