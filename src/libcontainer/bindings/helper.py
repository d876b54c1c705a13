# SPDX-License-Identifier: Apache-2.0
"""The static helper and the monitor as executables that nobody can change."""

from __future__ import annotations

from libcontainer.bindings._lib import helper_image, monitor_image
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


def sealed_monitor() -> int:
    """Return the monitor of a detached container as such a file.

    Returns:
        An fd, close-on-exec, for the helper to execute.

    Raises:
        OSError: ``EACCES``: the sysctl ``vm.memfd_noexec`` is 2.
    """
    return sealed_memfd("libcontainer-monitor", monitor_image(), executable=True)
