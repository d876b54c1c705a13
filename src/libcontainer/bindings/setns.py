# SPDX-License-Identifier: Apache-2.0
"""setns(2): enter namespaces that exist."""

from __future__ import annotations

from libcontainer.bindings._lib import check, lib
from libcontainer.bindings.clone import CloneFlag


def setns(fd: int, nstype: int = 0) -> None:
    """Move the calling thread into other namespaces.

    This changes the host program for good, as `libcontainer.bindings.unshare` does.

    Args:
        fd: a namespace (``/proc/PID/ns/*``), or a pidfd (Linux 5.8).
        nstype: with a namespace, the type it must be, 0 being any; with a pidfd, the
            namespaces of that process to enter: `CloneFlag`.

    Raises:
        OSError: ``EINVAL``: *fd* is not of that type, or the program has threads and
            the type is a user or mount namespace; ``EPERM``: no CAP_SYS_ADMIN in the
            target's user namespace; ``ESRCH``: the process of the pidfd is gone.
    """
    check(lib.lc_setns(fd, nstype), "setns", fd, CloneFlag(nstype))
