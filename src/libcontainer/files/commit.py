# SPDX-License-Identifier: Apache-2.0
"""Makes a layer of an overlay from what a container has changed."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator

from libcontainer.bindings.openat2 import Resolve, openat2
from libcontainer.errors import CopyLimitError
from libcontainer.files.beneath import FOLDER, LOOK, own
from libcontainer.files.changes import Change
from libcontainer.files.copy import Copied
from libcontainer.files.regular import reopen

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_HERE = Resolve.BENEATH | Resolve.NO_SYMLINKS | Resolve.NO_MAGICLINKS
_CHUNK = 1 << 20
# What the overlay itself notes of a file is not of the file.
_OVERLAYS_OWN = ("trusted.overlay.", "user.overlay.")


def commit_changes(
    root: int, changes: list[Change], folder: str, most: tuple[int, int]
) -> Copied:
    """Copy changes to a new directory, in the form of a layer.

    Args:
        root: fd of the root of the container.
        changes: what is different there, sorted by path.
        folder: host path of the layer; nothing may be there yet.
        most: bytes and files that may be copied.

    Raises:
        CopyLimitError: it is more than that; nothing is left.
        OSError: something cannot be copied; nothing is left.
    """
    os.mkdir(folder, 0o700)
    try:
        layer = os.open(folder, FOLDER)
        try:
            commit = _Commit(root, layer, most)
            for change in changes:
                commit.take(change)
            _like(layer, root)
        finally:
            os.close(layer)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Copied(commit.files, commit.size, tuple(commit.left_out))


class _Commit:
    def __init__(self, root: int, layer: int, most: tuple[int, int]) -> None:
        self._root = root
        self._layer = layer
        self._max_bytes, self._max_files = most
        self.files = self.size = 0
        self.left_out: list[str] = []

    def take(self, change: Change) -> None:
        """Put one change into the layer; those above it have been taken."""
        self.files += 1
        if self.files > self._max_files:
            message = f"{change.path!r}: more than {self._max_files} files have changed"
            raise CopyLimitError(message)
        *above, name = change.path.strip("/").split("/")
        with self._folder(above) as parent:
            if change.kind == "deleted":
                os.mknod(name, stat.S_IFCHR, 0, dir_fd=parent)
                return
            try:
                found = self._open("/".join((*above, name)))
            except OSError as error:
                if error.errno not in {errno.ENOENT, errno.ELOOP, errno.EXDEV}:
                    raise
                # Not there any more, or on the way to it.
                self.left_out.append(change.path)
                return
            try:
                self._put(found, parent, name, change.path)
            finally:
                os.close(found)

    def _open(self, path: str) -> int:
        # A link at the end is wanted itself, and none may be on the way.
        folder, _, name = path.rpartition("/")
        resolve = int(_HERE)
        above = openat2(self._root, folder or ".", LOOK, resolve=resolve)
        try:
            return openat2(
                above,
                name,
                LOOK | os.O_NOFOLLOW,
                resolve=resolve & ~int(Resolve.NO_SYMLINKS),
            )
        finally:
            os.close(above)

    @contextlib.contextmanager
    def _folder(self, names: list[str]) -> Iterator[int]:
        """Open a directory of the layer, made like those of the container."""
        fd = os.dup(self._layer)
        try:
            for count, name in enumerate(names, start=1):
                below = self._step(fd, name, "/".join(names[:count]))
                os.close(fd)
                fd = below
            yield fd
        finally:
            os.close(fd)

    def _step(self, parent: int, name: str, path: str) -> int:
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            return os.open(name, FOLDER, dir_fd=parent)
        fd = os.open(name, FOLDER, dir_fd=parent)
        try:
            found = self._open(path)
            try:
                _like(fd, found)
            finally:
                os.close(found)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _put(self, found: int, parent: int, name: str, path: str) -> None:
        status = os.fstat(found)
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFDIR:
            os.close(self._step(parent, name, path.strip("/")))
        elif kind == stat.S_IFREG:
            self._file(found, parent, name, path)
        elif kind == stat.S_IFLNK:
            os.symlink(os.readlink("", dir_fd=found), name, dir_fd=parent)
            owner = status.st_uid, status.st_gid
            os.chown(name, *owner, dir_fd=parent, follow_symlinks=False)
        elif kind == stat.S_IFSOCK:
            self.left_out.append(path)
        else:
            os.mknod(name, status.st_mode, status.st_rdev, dir_fd=parent)
            os.chown(name, status.st_uid, status.st_gid, dir_fd=parent)
            os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=parent)

    def _file(self, found: int, parent: int, name: str, path: str) -> None:
        reader = reopen(found, path, os.O_RDONLY)
        try:
            writer = os.open(name, _NEW, 0o600, dir_fd=parent)
            try:
                while True:
                    wanted = min(_CHUNK, self._max_bytes - self.size + 1)
                    copied = os.sendfile(writer, reader, None, wanted)
                    self.size += copied
                    if self.size > self._max_bytes:
                        most = f"more than {self._max_bytes} bytes have changed"
                        raise CopyLimitError(f"{path!r}: {most}")
                    if copied == 0:
                        break
                _like(writer, found)
            finally:
                os.close(writer)
        finally:
            os.close(reader)


def _like(made: int, found: int) -> None:
    """Give a file or directory the owner, mode, attributes and times of another."""
    status = os.fstat(found)
    own(made, stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid))
    source = f"/proc/self/fd/{found}"
    for name in os.listxattr(source):
        if not name.startswith(_OVERLAYS_OWN):
            os.setxattr(made, name, os.getxattr(source, name))
    os.utime(made, ns=(status.st_atime_ns, status.st_mtime_ns))
