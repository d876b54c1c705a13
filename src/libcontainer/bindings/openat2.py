# SPDX-License-Identifier: Apache-2.0
"""openat2(2): open a path within bounds."""

from __future__ import annotations

from enum import IntFlag

from libcontainer.bindings._lib import AT_FDCWD, PathLike, check, lib, path_bytes

__all__ = ["AT_FDCWD", "Resolve", "openat2"]


class Resolve(IntFlag):
    """``RESOLVE_*``: what the path may not do on its way."""

    NO_XDEV = 0x01
    NO_MAGICLINKS = 0x02
    NO_SYMLINKS = 0x04
    BENEATH = 0x08
    IN_ROOT = 0x10
    CACHED = 0x20


RESOLVE_IN_ROOT = Resolve.IN_ROOT
RESOLVE_NO_MAGICLINKS = Resolve.NO_MAGICLINKS


def try_openat2(dirfd: int, path: bytes, flags: int, resolve: int) -> int:
    """Open a path as `openat2` does; return the fd, or minus the errno.

    For a path that need not be there: an exception costs more than the call.
    """
    return lib.lc_openat2(dirfd, path, flags, 0, resolve)


def openat2(
    dirfd: int, path: PathLike, flags: int, *, mode: int = 0, resolve: int = 0
) -> int:
    """Open a path that may be somebody else's.

    Args:
        dirfd: where a relative path starts; with ``Resolve.IN_ROOT`` also what ``/``
            and ``..`` mean.
        path: as the caller's mount namespace sees it.
        flags: ``os.O_*``; ``O_CLOEXEC`` is added. Unlike open(2) unknown bits fail.
        mode: of a new file, 0 without ``O_CREAT`` or ``O_TMPFILE``.
        resolve: `Resolve`.

    Returns:
        An fd, close-on-exec.

    Raises:
        OSError: ``EXDEV``: the path left its bounds; ``ELOOP``: a forbidden symlink;
            ``EAGAIN``: somebody renames or mounts meanwhile and the kernel cannot be
            sure: try again, some hundred times at most; ``EINVAL``: a wrong
            combination.

    Linux >= 5.6.
    """
    encoded = path_bytes(path)
    while True:
        fd = lib.lc_openat2(dirfd, encoded, flags, mode, resolve)
        if fd >= 0:
            return fd
        try:
            shown = (f"flags {flags:#x}", f"mode {mode:#o}", Resolve(resolve))
            return check(fd, "openat2", dirfd, path, *shown)
        except InterruptedError:
            # As PEP 475 has it: a signal handler has run and did not raise.
            continue
