# SPDX-License-Identifier: Apache-2.0
"""unshare(2): leave shared namespaces."""

from __future__ import annotations

from libcontainer.bindings._lib import check, lib
from libcontainer.bindings.clone import CloneFlag


def unshare(flags: int) -> None:
    """Move the calling thread into new namespaces.

    This changes the host program for good: a thread of a pool stays in the new
    namespaces. With ``NEWPID`` and ``NEWTIME`` only later children are in them.

    Args:
        flags: `CloneFlag`.

    Raises:
        OSError: ``EPERM``: no CAP_SYS_ADMIN and no ``NEWUSER``; ``EINVAL``: ``NEWUSER``
            in a process with more than one thread; ``ENOSPC``: the limit of
            ``/proc/sys/user/max_*_namespaces`` is reached.

    Linux >= 2.6.16, user namespaces 3.8, cgroup 4.6, time 5.6.
    """
    check(lib.lc_unshare(flags), "unshare", CloneFlag(flags))
