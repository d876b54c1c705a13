# SPDX-License-Identifier: Apache-2.0
"""Names of kernel parameters."""

from __future__ import annotations


def sysctl_path(name: str) -> str:
    """Return the path of a kernel parameter below ``/proc/sys``.

    The first separator decides, as in sysctl(8): in ``net.ipv4.conf.eth0/1.x``
    and in ``net/ipv4/conf/eth0.1/x`` the interface is ``eth0.1``.
    """
    dot, slash = name.find("."), name.find("/")
    if dot == -1 or -1 < slash < dot:
        return name
    return name.translate(_SWAPPED)


_SWAPPED = str.maketrans("./", "/.")
