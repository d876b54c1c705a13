# SPDX-License-Identifier: Apache-2.0
"""Names in the tree of a container: looked at, made, removed."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TypeAlias

from libcontainer.files.asowner import make
from libcontainer.files.beneath import (
    FOLDER,
    LOOK,
    make_folders,
    open_beneath,
    opened,
    own,
    parent_of,
)
from libcontainer.files.copy import MAX_FILES, names_of, opened_folder, remove_tree
from libcontainer.files.ids import Ids
from libcontainer.files.info import (
    FileInfo,
    is_kernels,
    kind_of,
    refuse_kernel,
    told,
)

Path: TypeAlias = str | os.PathLike[str]


class NamesOfContainer:
    """The part of `ContainerFiles` that opens no file; see there."""

    def __init__(
        self, open_root: Callable[[], AbstractContextManager[int]], ids: Ids
    ) -> None:
        self._open_root = open_root
        self._ids = ids

    def stat(self, path: Path, *, follow: bool = True) -> FileInfo:
        """Return what a file, directory or anything else is.

        Args:
            path: what is looked at; nothing is opened.
            follow: whether a link at its end is followed.
        """
        text = text_of(path)
        flags = LOOK if follow else LOOK | os.O_NOFOLLOW
        with (
            told("look at", text),
            self._open_root() as root,
            opened(root, text, flags) as found,
        ):
            status = os.fstat(found)
            is_link = stat.S_ISLNK(status.st_mode)
            target = os.readlink("", dir_fd=found) if is_link else None
        uid, gid = self._ids.inside(status.st_uid, status.st_gid)
        return FileInfo(
            kind=kind_of(status.st_mode),
            mode=stat.S_IMODE(status.st_mode),
            uid=uid,
            gid=gid,
            size=status.st_size,
            mtime=status.st_mtime,
            target=target,
        )

    def exists(self, path: Path) -> bool:
        """Tell whether there is such a file or directory; links are followed."""
        try:
            self.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def readlink(self, path: Path) -> str:
        """Return where a link leads.

        Raises:
            OSError: ``EINVAL``: it is no link.
        """
        target = self.stat(path, follow=False).target
        if target is None:
            raise OSError(errno.EINVAL, "is no link", text_of(path))
        return target

    def listdir(self, path: Path = "/", *, limit: int = MAX_FILES) -> list[str]:
        """Return the names in a directory, sorted.

        Raises:
            CopyLimitError: there are more than *limit*.
        """
        text = text_of(path)
        with (
            told("list", text),
            self._open_root() as root,
            _reading(root, text) as folder,
        ):
            return names_of(folder, limit)

    def walk(self, top: Path = "/") -> Iterator[tuple[str, list[str], list[str]]]:
        """Go through a tree as `os.walk` does, from the top; no link is followed.

        Yields:
            A path of the container, the names of directories in it, and all others.
            Names taken out of the first list are not gone into. What is gone by the
            time it is looked at is passed over, and so is what is below ``/proc`` and
            other filesystems of the kernel.
        """
        start = text_of(top)
        with told("list", start), self._open_root() as root:
            pending = [start.rstrip("/") or "/"]
            follow = True
            while pending:
                path = pending.pop()
                found = _list(root, path, follow=follow)
                if found is None and follow:
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
                follow = False
                if found is None:
                    continue
                folders, others = found
                yield path, folders, others
                prefix = path.rstrip("/")
                pending += [f"{prefix}/{name}" for name in reversed(folders)]

    def mkdir(
        self,
        path: Path,
        *,
        parents: bool = False,
        permissions: int = 0o755,
        owner: tuple[int, int] = (0, 0),
    ) -> None:
        """Make a directory; with *parents* those above it, and it may be there."""
        text = text_of(path)
        owned = self._ids.on_host(owner)
        with told("make the directory", text), self._open_root() as root:
            if parents:
                folder = make(
                    lambda: make_folders(root, text, permissions, owned), owned
                )
                os.close(folder)
                return
            with parent_of(root, text) as (parent, name):
                refuse_kernel(parent, text)
                make(lambda: os.mkdir(name, 0o700, dir_fd=parent), owned)
                with opened_folder(parent, name) as made:
                    own(made, permissions, owned)

    def remove(self, path: Path, *, recursive: bool = False) -> None:
        """Remove a file, a link itself, or a directory, which has to be empty.

        Args:
            path: what is removed.
            recursive: whether a directory may hold something; that is removed too.
        """
        text = text_of(path)
        with (
            told("remove", text),
            self._open_root() as root,
            parent_of(root, text) as (parent, name),
        ):
            refuse_kernel(parent, text)
            if recursive:
                remove_tree(parent, name)
                return
            try:
                os.unlink(name, dir_fd=parent)
            except IsADirectoryError:
                os.rmdir(name, dir_fd=parent)


def text_of(path: Path) -> str:
    """Return a path of a container as text.

    Raises:
        TypeError, ValueError: it is none.
    """
    text = os.fspath(path)
    if not isinstance(text, str):
        message = f"a path must be text, not {type(path).__name__}"
        raise TypeError(message)
    if "\0" in text or not text:
        message = f"not a path: {text!r}"
        raise ValueError(message)
    return text


@contextlib.contextmanager
def _reading(root: int, path: str) -> Iterator[int]:
    fd = open_beneath(root, path, FOLDER & ~os.O_NOFOLLOW)
    try:
        yield fd
    finally:
        os.close(fd)


def _list(root: int, path: str, *, follow: bool) -> tuple[list[str], list[str]] | None:
    """Return directories and other names at a path; None if it is none any more."""
    try:
        fd = open_beneath(root, path, FOLDER if not follow else FOLDER & ~os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
            return None
        raise
    folders: list[str] = []
    others: list[str] = []
    try:
        if is_kernels(fd):
            return folders, others
        for name in names_of(fd, MAX_FILES):
            with contextlib.suppress(FileNotFoundError):
                mode = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
                (folders if stat.S_ISDIR(mode) else others).append(name)
    finally:
        os.close(fd)
    return folders, others
