# SPDX-License-Identifier: Apache-2.0
"""setfsuid(2), setfsgid(2): as whom the calling thread makes and opens files."""

from __future__ import annotations

from libcontainer.bindings._lib import check, lib


def setfsuid(uid: int) -> None:
    """Set the user of the calling thread for files, until its effective one changes.

    Without ``SECBIT_NO_SETUID_FIXUP`` the thread loses, or gets back, its effective
    capabilities over files.

    Raises:
        OSError: ``EPERM``: neither an id of the thread's own nor CAP_SETUID.
    """
    check(lib.lc_setfsuid(uid), "setfsuid", uid)


def setfsgid(gid: int) -> None:
    """Set the group of the calling thread for files.

    Raises:
        OSError: ``EPERM``: neither an id of the thread's own nor CAP_SETGID.
    """
    check(lib.lc_setfsgid(gid), "setfsgid", gid)
