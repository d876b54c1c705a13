# SPDX-License-Identifier: Apache-2.0
"""fsopen(2), fspick(2), fsconfig(2), fsmount(2): make a filesystem step by step.

The result is a detached mount, with its attributes, that nobody else can see until
`libcontainer.bindings.move_mount` attaches it. Where the kernel says in words what it
dislikes, those words are part of the error.
"""

from __future__ import annotations

import contextlib
import errno
import os
from enum import IntEnum, IntFlag

from libcontainer.bindings._lib import (
    AT_FDCWD,
    PathLike,
    check,
    lib,
    optional_bytes,
    path_bytes,
)
from libcontainer.bindings.mount_setattr import MountAttr

_MESSAGE_SIZE = 8192


class FsconfigCommand(IntEnum):
    """``FSCONFIG_*``."""

    SET_FLAG = 0
    SET_STRING = 1
    SET_PATH = 3
    SET_FD = 5
    CMD_CREATE = 6
    CMD_RECONFIGURE = 7
    CMD_CREATE_EXCL = 8


class FspickFlag(IntFlag):
    """``FSPICK_*``."""

    CLOEXEC = 1
    SYMLINK_NOFOLLOW = 2
    NO_AUTOMOUNT = 4
    EMPTY_PATH = 8


def fsopen(fstype: str) -> int:
    """Open a context to make a new filesystem in.

    Args:
        fstype: its name, such as ``"tmpfs"``.

    Returns:
        An fd for the other functions here, close-on-exec.

    Raises:
        OSError: ``ENODEV``: the kernel does not know this filesystem; ``EPERM``: no
            CAP_SYS_ADMIN in the user namespace that owns the mount namespace.

    Linux >= 5.2.
    """
    return check(lib.lc_fsopen(path_bytes(fstype), 0), "fsopen", fstype)


def fspick(path: PathLike, flags: int = 0, *, dirfd: int = AT_FDCWD) -> int:
    """Open a context to reconfigure the filesystem mounted at a path.

    Args:
        path: a mount's root, relative to *dirfd*; empty is *dirfd* itself.
        flags: `FspickFlag`.
        dirfd: a directory, or any fd with an empty path.

    Returns:
        An fd for the other functions here, close-on-exec.

    Linux >= 5.2. Needs CAP_SYS_ADMIN over the filesystem.
    """
    encoded = path_bytes(path)
    if not encoded:
        flags |= FspickFlag.EMPTY_PATH
    fd = lib.lc_fspick(dirfd, encoded, flags)
    return check(fd, "fspick", dirfd, path, FspickFlag(flags))


def fs_messages(fd: int) -> list[str]:
    """Read and clear what the kernel has noted in a context.

    Returns:
        Lines such as ``"e tmpfs: Bad value for 'size'"``: the first letter is e for
        error, w for warning, i for information.
    """
    messages = []
    # The kernel gives one message a read and ends with ENODATA.
    with contextlib.suppress(OSError):
        while line := os.read(fd, _MESSAGE_SIZE):
            messages.append(line.decode(errors="backslashreplace").rstrip("\n"))
    return messages


def fsconfig_set_flag(fd: int, key: str) -> None:
    """Set an option that has no value, such as ``"ro"``."""
    _fsconfig(fd, FsconfigCommand.SET_FLAG, key)


def fsconfig_set_string(fd: int, key: str, value: str | bytes) -> None:
    """Set an option to a string, at most 255 bytes long."""
    _fsconfig(fd, FsconfigCommand.SET_STRING, key, value)


def fsconfig_set_path(
    fd: int, key: str, path: PathLike, *, dirfd: int = AT_FDCWD
) -> None:
    """Set an option to a path, at most 4,095 bytes long, relative to *dirfd*."""
    _fsconfig(fd, FsconfigCommand.SET_PATH, key, path, dirfd)


def fsconfig_set_fd(fd: int, key: str, value_fd: int) -> None:
    """Set an option to an open fd."""
    _fsconfig(fd, FsconfigCommand.SET_FD, key, aux=value_fd)


def fsconfig_create(fd: int, *, exclusive: bool = False) -> None:
    """Make the filesystem with the options set so far.

    Args:
        fd: a context of `fsopen`.
        exclusive: fail with ``EBUSY`` instead of sharing a superblock that exists with
            other options (Linux 6.6).
    """
    exact = FsconfigCommand.CMD_CREATE_EXCL
    _fsconfig(fd, exact if exclusive else FsconfigCommand.CMD_CREATE)


def fsconfig_reconfigure(fd: int) -> None:
    """Apply the options set so far to a filesystem that exists."""
    _fsconfig(fd, FsconfigCommand.CMD_RECONFIGURE)


def fsmount(fd: int, attributes: int = 0) -> int:
    """Return a detached mount of the filesystem that a context has made.

    Args:
        fd: a context after `fsconfig_create` or of `fspick`.
        attributes: `MountAttr`.

    Returns:
        An fd, close-on-exec; closing it ends the mount if it was not attached.

    Raises:
        OSError: ``EBUSY``: the context is not at that point; ``EPERM``: procfs or sysfs
            in a user namespace whose own are partly covered.

    Linux >= 5.2. Needs CAP_SYS_ADMIN in the user namespace that owns the mount
    namespace.
    """
    result = lib.lc_fsmount(fd, 0, attributes)
    return _check_context(result, fd, "fsmount", fd, MountAttr(attributes))


def _fsconfig(
    fd: int,
    command: FsconfigCommand,
    key: str | None = None,
    value: PathLike | None = None,
    aux: int = 0,
) -> None:
    result = lib.lc_fsconfig(
        fd, command, optional_bytes(key), optional_bytes(value), aux
    )
    shown = [argument for argument in (key, value) if argument is not None]
    _check_context(result, fd, "fsconfig", fd, command, *shown)


def _check_context(result: int, fd: int, call: str, *arguments: object) -> int:
    try:
        return check(result, call, *arguments)
    except OSError as error:
        if error.errno == errno.EBADF or not (said := fs_messages(fd)):
            raise
        number = error.errno or 0
        text = f"{error.strerror} (kernel: {'; '.join(said)})"
        raise OSError(number, text) from None
