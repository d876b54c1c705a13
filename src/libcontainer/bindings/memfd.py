# SPDX-License-Identifier: Apache-2.0
"""memfd_create(2): files in memory that can be sealed."""

from __future__ import annotations

import errno
import fcntl
from enum import IntFlag

from libcontainer.bindings._lib import check, lib, path_bytes

_F_ADD_SEALS = 1033
_F_GET_SEALS = 1034


class MemfdFlag(IntFlag):
    """``MFD_*``."""

    CLOEXEC = 0x1
    ALLOW_SEALING = 0x2
    HUGETLB = 0x4
    NOEXEC_SEAL = 0x8
    EXEC = 0x10


class Seal(IntFlag):
    """``F_SEAL_*``."""

    SEAL = 0x1
    SHRINK = 0x2
    GROW = 0x4
    WRITE = 0x8
    FUTURE_WRITE = 0x10
    EXEC = 0x20


# Plain numbers, as every launch makes such a file.
_ALLOW_SEALING = int(MemfdFlag.ALLOW_SEALING)
_EXEC = int(MemfdFlag.EXEC)
_NOEXEC_SEAL = int(MemfdFlag.NOEXEC_SEAL)

FIXED = Seal.WRITE | Seal.GROW | Seal.SHRINK | Seal.SEAL
"""The seals after which nobody can change the content, nor the seals."""
_FIXED = int(FIXED)


def memfd_create(name: str, flags: int = 0) -> int:
    """Make an empty file in memory.

    Args:
        name: shown in ``/proc/self/fd``, at most 249 bytes; no path.
        flags: `MemfdFlag`; ``CLOEXEC`` is added. ``EXEC`` is left out on kernels before
            6.3, where every such file is executable.

    Returns:
        An fd, close-on-exec.

    Raises:
        OSError: ``EINVAL``: an unknown flag or a long name; ``EACCES``: the sysctl
            ``vm.memfd_noexec`` is 2 and the file would be executable.

    Linux >= 3.17.
    """
    encoded = path_bytes(name)
    fd = lib.lc_memfd_create(encoded, flags)
    if fd == -errno.EINVAL and flags & MemfdFlag.EXEC:
        fd = lib.lc_memfd_create(encoded, flags & ~MemfdFlag.EXEC)
    if fd < 0:
        check(fd, "memfd_create", name, MemfdFlag(flags))
    return fd


def add_seals(fd: int, seals: int) -> None:
    """Seal a file of `memfd_create` that has ``ALLOW_SEALING``.

    Raises:
        OSError: ``EPERM``: no more seals allowed; ``EBUSY``: ``WRITE`` while somebody
            has it mapped for writing.
    """
    fcntl.fcntl(fd, _F_ADD_SEALS, seals)


def get_seals(fd: int) -> Seal:
    """Return the seals of a file of `memfd_create`.

    Raises:
        OSError: ``EINVAL``: the file is of another kind.
    """
    return Seal(fcntl.fcntl(fd, _F_GET_SEALS))


def sealed_memfd(name: str, content: bytes, *, executable: bool = False) -> int:
    """Return a file in memory with a content that nobody can change any more.

    Args:
        name: shown in ``/proc/self/fd``.
        content: all of it.
        executable: whether it may be executed; where the kernel knows the difference
            (Linux 6.3) it otherwise never can.

    Returns:
        An fd, close-on-exec, at offset 0, with the seals `FIXED`.
    """
    first = _EXEC if executable else _NOEXEC_SEAL
    encoded = path_bytes(name)
    for kind in (first, 0):
        flags = _ALLOW_SEALING | kind
        fd = lib.lc_sealed_memfd(encoded, flags, content, len(content), _FIXED)
        # Before Linux 6.3 there is no such flag.
        if fd != -errno.EINVAL:
            break
    if fd < 0:
        check(fd, "memfd_create", name, MemfdFlag(flags))
    return fd


def data_memfd(name: str) -> int:
    """Return an empty file in memory that can be sealed, and never executed.

    Where the kernel knows no difference (before Linux 6.3) it can be executed.

    Args:
        name: shown in ``/proc/self/fd``.

    Returns:
        An fd, close-on-exec.
    """
    flags = MemfdFlag.ALLOW_SEALING
    try:
        return memfd_create(name, flags | MemfdFlag.NOEXEC_SEAL)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    return memfd_create(name, flags)
