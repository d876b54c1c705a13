# SPDX-License-Identifier: Apache-2.0
"""The files of one container, as its processes see them."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import IO, Any, TypeAlias

from libcontainer.bindings.renameat2 import RenameFlag, renameat2
from libcontainer.files import copy as copies
from libcontainer.files.asowner import make
from libcontainer.files.beneath import (
    FOLDER,
    LOOK,
    make_folders,
    open_beneath,
    opened,
    parent_of,
    split,
)
from libcontainer.files.beneath import own as give
from libcontainer.files.copy import MAX_BYTES, MAX_FILES, Copied, Copier
from libcontainer.files.ids import Ids
from libcontainer.files.info import (
    FileInfo,
    is_kernels,
    kind_of,
    refuse_kernel,
    told,
)
from libcontainer.files.regular import Creation, open_regular

Path: TypeAlias = str | os.PathLike[str]

MAX_READ = 64 * 1024**2
_MODES = {"r": os.O_RDONLY, "w": os.O_WRONLY, "x": os.O_WRONLY, "a": os.O_WRONLY}


class ContainerFiles:
    """Files of a container that is there, running or not.

    Every path is one of the container: absolute, or from its root, with its links.
    The kernel resolves each by descriptor beneath the container's root, so nothing
    that its processes do meanwhile leads out of it. Only regular files are opened, and
    none of a filesystem that shows the kernel, as ``/proc``: what is done there would
    be done with the caller's rights.

    What can be reached is what the *caller* may: for root all of it; for an ordinary
    user what belongs to that user, which is the container's root, or to everybody.
    Owners are given, and told, as the container counts them.

    While the container is not running there are the files of its root filesystem, and
    none of other mounts; and of an overlay only if its upper layer is kept.

    Every method raises `OSError` with the errno of the kernel, `PermissionError` for
    what is refused, and `UnsupportedError` or `StateError` where there is no root to
    look at. None waits for a container; but the filesystem of a FUSE server that the
    container may run answers when that server does.
    """

    def __init__(
        self, open_root: Callable[[], AbstractContextManager[int]], ids: Ids
    ) -> None:
        self._open_root = open_root
        self._ids = ids

    # -- one file

    def open(
        self,
        path: Path,
        mode: str = "r",
        *,
        permissions: int = 0o644,
        owner: tuple[int, int] = (0, 0),
        **options: Any,  # noqa: ANN401 - those of the builtin
    ) -> IO[Any]:
        """Open a file, as the builtin of this name does.

        Args:
            path: the file; the last link is followed too.
            mode: as of the builtin: ``r``, ``w``, ``a`` or ``x``, with ``b`` and ``+``.
            permissions: of a file that is made.
            owner: user and group of a file that is made.
            options: ``buffering``, ``encoding``, ``errors`` and ``newline``.
        """
        text = _text(path)
        kind = mode.replace("b", "").replace("t", "").replace("+", "")
        if kind not in _MODES:
            message = f"invalid mode: {mode!r}"
            raise ValueError(message)
        flags = os.O_RDWR if "+" in mode else _MODES[kind]
        flags |= {"w": os.O_TRUNC, "a": os.O_APPEND}.get(kind, 0)
        if kind == "r":
            with told("open", text), self._open_root() as root:
                fd = open_regular(root, text, flags)
        else:
            own = self._ids.on_host(owner)
            creation = Creation(permissions, own, exclusive=kind == "x")
            with told("open", text), self._open_root() as root:
                fd = make(lambda: open_regular(root, text, flags, creation), own)
        try:
            return os.fdopen(fd, mode.replace("x", "w"), **options)
        except BaseException:
            os.close(fd)
            raise

    def read(self, path: Path, *, limit: int = MAX_READ) -> bytes:
        """Return what a file holds.

        Raises:
            OSError: ``EFBIG``: that is more than *limit* bytes.
        """
        with self.open(path, "rb", buffering=0) as file:
            data = bytearray()
            while len(data) <= limit:
                chunk = file.read(min(limit + 1 - len(data), 1 << 20))
                if not chunk:
                    return bytes(data)
                data += chunk
        text = f"is larger than {limit} bytes"
        raise OSError(errno.EFBIG, text, _text(path))

    def write(
        self,
        path: Path,
        data: bytes | str,
        *,
        permissions: int = 0o644,
        owner: tuple[int, int] = (0, 0),
    ) -> None:
        """Replace what a file holds, or make it; text is UTF-8.

        A file that is there keeps its owner and its permissions.
        """
        content = data.encode() if isinstance(data, str) else data
        left = memoryview(content)
        made: dict[str, Any] = {"permissions": permissions, "owner": owner}
        with (
            self.open(path, "wb", buffering=0, **made) as file,
            told("write", _text(path)),
        ):
            while left:
                left = left[file.write(left) :]

    # -- names

    def stat(self, path: Path, *, follow: bool = True) -> FileInfo:
        """Return what a file, directory or anything else is.

        Args:
            path: what is looked at; nothing is opened.
            follow: whether a link at its end is followed.
        """
        text = _text(path)
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
            raise OSError(errno.EINVAL, "is no link", _text(path))
        return target

    def listdir(self, path: Path = "/", *, limit: int = MAX_FILES) -> list[str]:
        """Return the names in a directory, sorted.

        Raises:
            CopyLimitError: there are more than *limit*.
        """
        text = _text(path)
        with (
            told("list", text),
            self._open_root() as root,
            _reading(root, text) as folder,
        ):
            return copies.names_of(folder, limit)

    def walk(self, top: Path = "/") -> Iterator[tuple[str, list[str], list[str]]]:
        """Go through a tree as `os.walk` does, from the top; no link is followed.

        Yields:
            A path of the container, the names of directories in it, and all others.
            Names taken out of the first list are not gone into. What is gone by the
            time it is looked at is passed over, and so is what is below ``/proc`` and
            other filesystems of the kernel.
        """
        start = _text(top)
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
        text = _text(path)
        own = self._ids.on_host(owner)
        with told("make the directory", text), self._open_root() as root:
            if parents:
                folder = make(lambda: make_folders(root, text, permissions, own), own)
                os.close(folder)
                return
            with parent_of(root, text) as (parent, name):
                refuse_kernel(parent, text)
                make(lambda: os.mkdir(name, 0o700, dir_fd=parent), own)
                with copies.opened_folder(parent, name) as made:
                    give(made, permissions, own)

    def remove(self, path: Path, *, recursive: bool = False) -> None:
        """Remove a file, a link itself, or a directory, which has to be empty.

        Args:
            path: what is removed.
            recursive: whether a directory may hold something; that is removed too.
        """
        text = _text(path)
        with (
            told("remove", text),
            self._open_root() as root,
            parent_of(root, text) as (parent, name),
        ):
            refuse_kernel(parent, text)
            if recursive:
                copies.remove_tree(parent, name)
                return
            try:
                os.unlink(name, dir_fd=parent)
            except IsADirectoryError:
                os.rmdir(name, dir_fd=parent)

    # -- copies

    def copy_out(
        self,
        path: Path,
        target: Path,
        *,
        max_bytes: int = MAX_BYTES,
        max_files: int = MAX_FILES,
        links: bool = False,
    ) -> Copied:
        """Copy a file or a tree of the container to the host.

        The copy belongs to the caller, without set-id bits. Devices, FIFOs, sockets
        and what is mounted within are left out.

        Args:
            path: what is copied; a link at its end is followed, no other.
            target: host path that must not be there yet.
            max_bytes: most bytes that may be copied.
            max_files: most files, directories and links.
            links: whether links within are copied, as they are: on the host they may
                lead anywhere. Else they are left out.

        Returns:
            What was copied, and what was left out.

        Raises:
            CopyLimitError: it is more than that; nothing is left of the copy.
            FileExistsError: *target* is there.
        """
        text, host = _text(path), os.fspath(target)
        folder, name = split(os.path.abspath(host))
        copier = Copier(max_bytes, max_files, links=links)
        with contextlib.ExitStack() as stack:
            into = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, into)
            if os.path.lexists(host):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), host)
            stack.enter_context(told("copy", text))
            root = stack.enter_context(self._open_root())
            found = stack.enter_context(opened(root, text, LOOK))
            # Under another name until it is whole.
            with _appearing(into, name, replace=False) as fresh:
                copier.opened(found, (into, fresh), text.rstrip("/"))
        return copier.result()

    def copy_in(
        self,
        source: Path,
        path: Path,
        *,
        owner: tuple[int, int] = (0, 0),
        max_bytes: int = MAX_BYTES,
        max_files: int = MAX_FILES,
    ) -> Copied:
        """Copy a file or a tree of the host into the container.

        It appears there at once and whole. A file takes the place of one that is
        there, or of a link; a directory's name must not be taken. Permissions are
        kept without set-id bits, links as they are.

        Args:
            source: host path; a link at its end is followed.
            path: where it is to be in the container; the directory must be there.
            owner: user and group of all of it.
            max_bytes: most bytes that may be copied.
            max_files: most files, directories and links.

        Raises:
            CopyLimitError: it is more than that; nothing is left of the copy.
            FileExistsError: a directory would take the place of something.
        """
        text = _text(path)
        own = self._ids.on_host(owner)
        with contextlib.ExitStack() as stack:
            found = os.open(source, LOOK)
            stack.callback(os.close, found)
            is_file = stat.S_ISREG(os.fstat(found).st_mode)
            stack.enter_context(told("copy to", text))
            root = stack.enter_context(self._open_root())
            parent, name = stack.enter_context(parent_of(root, text))
            refuse_kernel(parent, text)
            with _appearing(parent, name, replace=is_file, owner=own) as fresh:
                to = parent, fresh

                def copy() -> Copied:
                    copier = Copier(max_bytes, max_files, owner=own)
                    copier.opened(found, to, os.fspath(source))
                    return copier.result()

                return make(copy, own)


def _text(path: Path) -> str:
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
        for name in copies.names_of(fd, MAX_FILES):
            with contextlib.suppress(FileNotFoundError):
                mode = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
                (folders if stat.S_ISDIR(mode) else others).append(name)
    finally:
        os.close(fd)
    return folders, others


@contextlib.contextmanager
def _appearing(
    parent: int, name: str, *, replace: bool, owner: tuple[int, int] | None = None
) -> Iterator[str]:
    """Give a name for something that gets its own name once it is whole."""
    fresh = f".{secrets.token_hex(8)}.copy"
    try:
        yield fresh
        flags = 0 if replace else RenameFlag.NOREPLACE

        def name_it() -> None:
            renameat2(parent, fresh, parent, name, flags)

        if owner is None:
            name_it()
        else:
            # The kernel asks for ids that the filesystem knows here, too.
            make(name_it, owner)
    except BaseException:
        with contextlib.suppress(OSError):
            copies.remove_tree(parent, fresh)
        raise
