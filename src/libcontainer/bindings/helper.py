# SPDX-License-Identifier: Apache-2.0
"""The static helper as an executable that nobody can change."""

from __future__ import annotations

from libcontainer.bindings._lib import helper_image
from libcontainer.bindings.memfd import sealed_memfd


def sealed_helper() -> int:
    """Return the helper as an executable file in memory, sealed.

    Each call makes a new one. Running it from there, and not from a file, keeps it out
    of reach of the containers that it makes.

    Returns:
        An fd, close-on-exec, for `libcontainer.bindings.clone.spawn`.

    Raises:
        OSError: ``EACCES``: the sysctl ``vm.memfd_noexec`` is 2.
    """
    return sealed_memfd("libcontainer-init", helper_image(), executable=True)
