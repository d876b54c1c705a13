# SPDX-License-Identifier: Apache-2.0
"""sethostname(2), setdomainname(2): the names of a UTS namespace."""

from __future__ import annotations

import os

from libcontainer.bindings._lib import check, lib


def sethostname(name: str | bytes) -> None:
    """Set the host name of the caller's UTS namespace.

    Args:
        name: at most 64 bytes.

    Raises:
        OSError: ``EINVAL``: too long; ``EPERM``: no CAP_SYS_ADMIN in the user namespace
            that owns the UTS namespace.
    """
    encoded = os.fsencode(name)
    check(lib.lc_sethostname(encoded, len(encoded)), "sethostname", name)


def setdomainname(name: str | bytes) -> None:
    """Set the NIS domain name of the caller's UTS namespace.

    As `sethostname`: at most 64 bytes, the same errors and privilege.
    """
    encoded = os.fsencode(name)
    check(lib.lc_setdomainname(encoded, len(encoded)), "setdomainname", name)
