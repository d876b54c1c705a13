# SPDX-License-Identifier: Apache-2.0
"""Paths beneath a directory that somebody else may be changing meanwhile.

The kernel resolves each of them with that directory as the root (openat2(2)), so no
link and no ``..`` leads out of it; and what is made is made in a directory that is
held open. No path of the host is ever put together from two parts.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from libcontainer.bindings.openat2 import Resolve, openat2

LOOK: Final = os.O_PATH | os.O_CLOEXEC
"""Flags that open nothing: the descriptor only tells which inode it is."""

FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

# The kernel answers EAGAIN when a rename ran into the resolution of "..".
_MAX_TRIES: Final = 128
_IN_ROOT: Final = Resolve.IN_ROOT | Resolve.NO_MAGICLINKS
_ONE_NAME: Final = Resolve.BENEATH | Resolve.NO_SYMLINKS | Resolve.NO_MAGICLINKS


def open_beneath(root: int, path: str, flags: int = LOOK, mode: int = 0) -> int:
    """Return an fd of a path beneath *root*; links are followed inside of it.

    Args:
        root: fd of the directory that is ``/`` for the path.
        path: absolute or not, which makes no difference.
        flags: as for open(2).
        mode: of a file that *flags* make.

    Raises:
        OSError: the kernel refused it; ``EAGAIN``: renames kept running into it.
    """
    for _ in range(_MAX_TRIES - 1):
        try:
            return openat2(root, path or ".", flags, mode=mode, resolve=_IN_ROOT)
        except BlockingIOError:
            continue
    return openat2(root, path or ".", flags, mode=mode, resolve=_IN_ROOT)


@contextmanager
def opened(root: int, path: str, flags: int = LOOK) -> Iterator[int]:
    """Open a path beneath *root* for a while, as `open_beneath` does."""
    fd = open_beneath(root, path, flags)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def parent_of(root: int, path: str) -> Iterator[tuple[int, str]]:
    """Open the directory of a path; also give the last name, which is not followed.

    Raises:
        ValueError: the path has no last name, as ``/`` or ``a/..``.
    """
    folder, name = split(path)
    with opened(root, folder, LOOK | os.O_DIRECTORY) as parent:
        yield parent, name


def split(path: str) -> tuple[str, str]:
    """Return the directory and the last name of a path.

    Raises:
        ValueError: there is no such name.
    """
    folder, _, name = path.rstrip("/").rpartition("/")
    if name in {"", ".", ".."}:
        message = f"{path!r} does not name an entry of a directory"
        raise ValueError(message)
    return folder or "/", name


@contextmanager
def made_parent(directory: str, path: str) -> Iterator[tuple[int, str]]:
    """Hold the directory that a path is in, made where it is absent.

    Args:
        directory: a host path, of the directory that is ``/`` for the path.
        path: of what is to be made.

    Yields:
        an fd of the directory, and the last name of *path*.

    Raises:
        ValueError: the path has no such name.
        OSError: as for `make_folders`.
    """
    folder, name = split(path)
    root = os.open(directory, LOOK)
    try:
        parent = make_folders(root, folder)
    finally:
        os.close(root)
    try:
        yield parent, name
    finally:
        os.close(parent)


def make_folders(
    root: int, path: str, mode: int = 0o755, owner: tuple[int, int] | None = None
) -> int:
    """Return an fd of a directory beneath *root*, made where it is absent.

    Args:
        root: fd of the directory that is ``/`` for the path.
        path: the directory; those above it are made too.
        mode: of what is made, whatever the caller's umask.
        owner: of what is made, as the caller counts; None: the caller.

    Raises:
        OSError: the kernel refused it; ``ELOOP``: a link leads to nothing.
    """
    names = [name for name in path.split("/") if name]
    parent = open_beneath(root, "/", LOOK | os.O_DIRECTORY)
    for count, name in enumerate(names, start=1):
        try:
            try:
                below = open_beneath(
                    root, "/".join(names[:count]), LOOK | os.O_DIRECTORY
                )
            except FileNotFoundError:
                below = make_folder(parent, name, mode, owner)
        finally:
            os.close(parent)
        parent = below
    return parent


def make_folder(
    parent: int, name: str, mode: int, owner: tuple[int, int] | None
) -> int:
    """Return an O_PATH fd of a directory with one name, made unless it is there."""
    try:
        os.mkdir(name, mode, dir_fd=parent)
        is_new = True
    except FileExistsError:
        is_new = False
    below = openat2(parent, name, LOOK | os.O_DIRECTORY, resolve=_ONE_NAME)
    try:
        if is_new:
            own(below, mode, owner)
    except BaseException:
        os.close(below)
        raise
    return below


def own(fd: int, mode: int, owner: tuple[int, int] | None) -> None:
    """Give a file or directory its owner, then its mode, which chown(2) may change."""
    place = f"/proc/self/fd/{fd}"
    if owner is not None:
        os.chown(place, *owner)
    if stat.S_IMODE(os.stat(place).st_mode) != mode:
        os.chmod(place, mode)
