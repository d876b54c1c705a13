# SPDX-License-Identifier: Apache-2.0
"""A command is the parent of those whose parents have ended.

In a container that shares the host's pid namespace, what a process leaves behind
would go to the host's init. A command is nobody's library: it can take them.
"""

from __future__ import annotations

import os

from libcontainer.bindings.prctl import set_child_subreaper


def become_subreaper() -> None:
    """Have orphans of our descendants become our children (prctl(2))."""
    set_child_subreaper(True)


def reap_orphans(own_pid: int) -> None:
    """Reap every child that has ended, but for *own_pid*: that one is waited for.

    Each is looked at before it is reaped, so that the status of *own_pid* is
    not lost. One behind it stays a zombie until we end, which is then soon.
    """
    peek = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, peek)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid == own_pid:
            return
        os.waitid(os.P_PID, ended.si_pid, os.WEXITED | os.WNOHANG)
