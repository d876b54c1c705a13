# SPDX-License-Identifier: Apache-2.0
"""Copies files and trees into and out of containers, within bounds.

Both sides are held by descriptor. A tree is walked name by name, no link is followed,
and only what a regular file holds is read: the container's processes may change all
of it meanwhile, and then the copy is of what was there at some moment.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from attrs import define, field, frozen

from libcontainer.bindings.openat2 import Resolve, openat2
from libcontainer.errors import CopyLimitError
from libcontainer.files.beneath import FOLDER, LOOK, own
from libcontainer.files.info import RefusedError, kind_of, refuse_kernel
from libcontainer.files.regular import reopen

MAX_BYTES = 1024**3
MAX_FILES = 100_000
MAX_DEPTH = 128
# A descriptor each; more than anything that is made here can be deep.
_MAX_REMOVED = 400
_CHUNK = 1 << 20
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# Beneath the one directory, and not on another mount: neither /proc nor a volume.
_HERE = Resolve.BENEATH | Resolve.NO_SYMLINKS | Resolve.NO_MAGICLINKS | Resolve.NO_XDEV


@frozen
class Copied:
    """What a copy has copied.

    Attributes:
        files: how many files, directories and links.
        size: bytes of the files.
        left_out: what was not copied, relative to what was: devices, FIFOs, sockets,
            mount points, and links unless they were wanted.
    """

    files: int = 0
    size: int = 0
    left_out: tuple[str, ...] = ()


@define
class Copier:
    """One copy, and what it may still cost.

    Attributes:
        max_bytes: most bytes that all files may hold.
        max_files: most files, directories and links.
        links: whether links are copied, as they are.
        owner: of everything that is made, as the caller counts; None: the caller.
        mode_mask: the bits of a mode that are kept.
    """

    max_bytes: int = MAX_BYTES
    max_files: int = MAX_FILES
    links: bool = True
    owner: tuple[int, int] | None = None
    mode_mask: int = 0o777
    files: int = 0
    size: int = 0
    left_out: list[str] = field(factory=list)

    def result(self) -> Copied:
        """Return what has been copied."""
        return Copied(self.files, self.size, tuple(self.left_out))

    def entry(self, source: tuple[int, str], target: tuple[int, str]) -> None:
        """Copy a file, a link or a whole tree to a name that is not taken.

        Args:
            source: fd of a directory, and a name in it that is not followed.
            target: the same of where the copy is to be.

        Raises:
            CopyLimitError: it is more than may be copied.
            OSError: a file cannot be read or made.
        """
        self._entry(source, target, source[1], 0)

    def opened(self, found: int, target: tuple[int, str], shown: str) -> None:
        """Copy what an O_PATH fd stands for to a name that is not taken."""
        self._copy(found, None, target, (shown, 0))

    def _entry(
        self, source: tuple[int, str], target: tuple[int, str], shown: str, depth: int
    ) -> None:
        try:
            found = openat2(*source, LOOK | os.O_NOFOLLOW, resolve=_last_may_link())
        except OSError as error:
            if error.errno not in {errno.EXDEV, errno.ENOENT}:
                raise
            # Another mount, or taken away since its name was read.
            if error.errno == errno.EXDEV:
                self.left_out.append(shown)
            return
        try:
            self._copy(found, source, target, (shown, depth))
        finally:
            os.close(found)

    def _copy(
        self,
        found: int,
        source: tuple[int, str] | None,
        target: tuple[int, str],
        where: tuple[str, int],
    ) -> None:
        mode = os.fstat(found).st_mode
        shown, depth = where
        if stat.S_ISREG(mode):
            self._file(found, target, shown)
        elif stat.S_ISDIR(mode):
            self._folder(found, target, shown, depth)
        elif stat.S_ISLNK(mode) and self.links:
            self._count(shown)
            text = os.readlink("", dir_fd=found)
            os.symlink(text, target[1], dir_fd=target[0])
            self._own_link(target)
        elif source is None:
            text = f"{shown!r} is a {kind_of(mode)}, which is not copied"
            raise RefusedError(errno.EPERM, text)
        else:
            self.left_out.append(shown)

    def _own_link(self, target: tuple[int, str]) -> None:
        if self.owner is not None:
            os.chown(target[1], *self.owner, dir_fd=target[0], follow_symlinks=False)

    def _folder(
        self, found: int, target: tuple[int, str], shown: str, depth: int
    ) -> None:
        if depth >= MAX_DEPTH:
            message = f"{shown!r} is more than {MAX_DEPTH} directories deep"
            raise CopyLimitError(message)
        self._count(shown)
        refuse_kernel(found, shown)
        mode = os.fstat(found).st_mode & self.mode_mask
        os.mkdir(target[1], 0o700, dir_fd=target[0])
        with (
            _folder_of(found) as reading,
            opened_folder(target[0], target[1]) as made,
        ):
            for name in names_of(reading, self.max_files):
                below = f"{shown}/{name}"
                self._entry((reading, name), (made, name), below, depth + 1)
            own(made, mode, self.owner)

    def _file(self, found: int, target: tuple[int, str], shown: str) -> None:
        self._count(shown)
        reader = reopen(found, shown, os.O_RDONLY)
        try:
            writer = os.open(target[1], _NEW, 0o600, dir_fd=target[0])
            try:
                self._content(reader, writer, shown)
                status = os.fstat(reader)
                own(writer, status.st_mode & self.mode_mask, self.owner)
                os.utime(writer, ns=(status.st_atime_ns, status.st_mtime_ns))
            finally:
                os.close(writer)
        finally:
            os.close(reader)

    def _content(self, reader: int, writer: int, shown: str) -> None:
        # Known before a byte is read, so that a file of holes costs nothing.
        self._room(os.fstat(reader).st_size, shown)
        while True:
            # One byte more than there may be tells that it has grown.
            wanted = min(_CHUNK, self.max_bytes - self.size + 1)
            copied = os.sendfile(writer, reader, None, wanted)
            if copied == 0:
                return
            self._room(copied, shown)
            self.size += copied

    def _room(self, size: int, shown: str) -> None:
        if self.size + size > self.max_bytes:
            message = f"{shown!r}: more than {self.max_bytes} bytes are to be copied"
            raise CopyLimitError(message)

    def _count(self, shown: str) -> None:
        self.files += 1
        if self.files > self.max_files:
            message = f"{shown!r}: more than {self.max_files} files are to be copied"
            raise CopyLimitError(message)


def _last_may_link() -> int:
    # NO_SYMLINKS would refuse a link that is only looked at: one name has no other.
    return int(_HERE & ~Resolve.NO_SYMLINKS)


@contextlib.contextmanager
def opened_folder(parent: int, name: str) -> Iterator[int]:
    """Open a directory by one name, which is not followed, to read it."""
    fd = os.open(name, FOLDER, dir_fd=parent)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def _folder_of(found: int) -> Iterator[int]:
    with opened_folder(found, ".") as fd:
        yield fd


def names_of(folder: int, limit: int) -> list[str]:
    """Return the names in a directory, sorted.

    Raises:
        CopyLimitError: there are more than *limit*.
    """
    names: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if len(names) >= limit:
                message = f"more than {limit} files are in a directory"
                raise CopyLimitError(message)
            names.append(entry.name)
    return sorted(names)


def remove_tree(parent: int, name: str, depth: int = 0) -> None:
    """Remove a file, or a directory with all that is in it; links are not followed.

    Raises:
        OSError: ``EBUSY``: something is mounted there.
        CopyLimitError: it is too deep.
    """
    try:
        os.unlink(name, dir_fd=parent)
    except IsADirectoryError:
        _remove_folder(parent, name, depth)


def _remove_folder(parent: int, name: str, depth: int) -> None:
    if depth >= _MAX_REMOVED:
        message = f"{name!r} is more than {_MAX_REMOVED} directories deep"
        raise CopyLimitError(message)
    with opened_folder(parent, name) as folder:
        clear_folder(folder, depth + 1)
    os.rmdir(name, dir_fd=parent)


def clear_folder(folder: int, depth: int = 0) -> None:
    """Remove everything in an open directory."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries]
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            remove_tree(folder, name, depth)
