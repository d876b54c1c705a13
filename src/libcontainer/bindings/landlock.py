# SPDX-License-Identifier: Apache-2.0
"""landlock_create_ruleset(2): which Landlock the kernel has."""

from __future__ import annotations

import errno

from libcontainer.bindings._lib import check, lib


def landlock_abi() -> int:
    """Return the highest ABI of Landlock that the kernel has, 0 if it has none.

    0 stands for a kernel before Linux 5.13 and for one that was built or booted
    without Landlock.

    Raises:
        OSError: any other refusal, such as that of a seccomp filter.
    """
    result: int = lib.lc_landlock_abi()
    if result in {-errno.ENOSYS, -errno.EOPNOTSUPP}:
        return 0
    return check(result, "landlock_create_ruleset", None, 0, "VERSION")
