# SPDX-License-Identifier: Apache-2.0
"""Copies what an image has in a directory to the tmpfs that is to cover it.

No process of the container runs yet, but the image is its maker's: no name is
looked up twice, no symlink followed, and nothing opened that could block.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from libcontainer.bindings.openat2 import Resolve, openat2
from libcontainer.bindings.pidfd import pidfd_getfd

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 30


def copy_up(pidfd: int, host_pid: int, tree_fd: int, path: str) -> None:
    """Fill a detached tmpfs from a directory of the container's root.

    Args:
        pidfd: the helper, whose working directory is the container's root.
        host_pid: the same, in the caller's pid namespace.
        tree_fd: the tmpfs, an fd of the helper.
        path: the directory, a container path; nothing is copied if it is absent.

    Raises:
        OSError: a file cannot be read, or the tmpfs is full.
    """
    with contextlib.ExitStack() as stack:

        def keep(fd: int) -> int:
            stack.callback(os.close, fd)
            return fd

        root = keep(os.open(f"/proc/{host_pid}/cwd", os.O_PATH | os.O_CLOEXEC))
        resolve = Resolve.IN_ROOT | Resolve.NO_MAGICLINKS
        try:
            source = openat2(root, path, _FOLDER & ~os.O_NOFOLLOW, resolve=resolve)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR}:
                return
            raise
        keep(source)
        tree = keep(pidfd_getfd(pidfd, tree_fd))
        _copy_folder(source, keep(os.open(".", _FOLDER, dir_fd=tree)))


def _copy_folder(source: int, target: int) -> None:
    with os.scandir(source) as entries:
        for entry in entries:
            _copy_entry(source, target, entry.name)
    found = os.fstat(source)
    os.chown(target, found.st_uid, found.st_gid)
    os.chmod(target, stat.S_IMODE(found.st_mode))


def _copy_entry(source: int, target: int, name: str) -> None:
    found = os.stat(name, dir_fd=source, follow_symlinks=False)
    kind = stat.S_IFMT(found.st_mode)
    if kind == stat.S_IFDIR:
        os.mkdir(name, 0o700, dir_fd=target)
        with _opened(name, source) as below, _opened(name, target) as made:
            _copy_folder(below, made)
    elif kind == stat.S_IFLNK:
        os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
        os.chown(name, found.st_uid, found.st_gid, dir_fd=target, follow_symlinks=False)
    elif kind == stat.S_IFREG:
        _copy_file(source, target, name)


@contextlib.contextmanager
def _opened(name: str, folder: int) -> Iterator[int]:
    fd = os.open(name, _FOLDER, dir_fd=folder)
    try:
        yield fd
    finally:
        os.close(fd)


def _copy_file(source: int, target: int, name: str) -> None:
    reader = os.open(name, _FILE, dir_fd=source)
    try:
        found = os.fstat(reader)
        if not stat.S_ISREG(found.st_mode):
            return
        writer = os.open(name, _NEW, 0o600, dir_fd=target)
        try:
            while os.sendfile(writer, reader, None, _CHUNK):
                pass
            os.chown(writer, found.st_uid, found.st_gid)
            os.chmod(writer, stat.S_IMODE(found.st_mode))
        finally:
            os.close(writer)
    finally:
        os.close(reader)
