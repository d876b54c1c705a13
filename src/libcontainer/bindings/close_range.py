# SPDX-License-Identifier: Apache-2.0
"""close_range(2): close many fds, or mark them."""

from __future__ import annotations

from enum import IntFlag

from libcontainer.bindings._lib import check, lib

LAST_FD = 0xFFFFFFFF
"""As the end of a range: every fd there is."""


class CloseRangeFlag(IntFlag):
    """``CLOSE_RANGE_*``."""

    UNSHARE = 2
    CLOEXEC = 4


def close_range(first: int, last: int = LAST_FD, flags: int = 0) -> None:
    """Close all fds of the calling process from *first* to *last*.

    Args:
        first: the lowest one.
        last: the highest one, included.
        flags: ``CLOEXEC`` marks them close-on-exec instead (Linux 5.11); ``UNSHARE``
            gives the calling thread its own table first.

    Raises:
        OSError: ``EINVAL``: *first* is above *last*, or a flag is unknown.

    Linux >= 5.9.
    """
    result = lib.lc_close_range(first, last, flags)
    check(result, "close_range", first, last, CloseRangeFlag(flags))
