# SPDX-License-Identifier: Apache-2.0
"""The files of one container, as its processes see them."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from typing import IO, Any

from libcontainer.files.asowner import make
from libcontainer.files.beneath import LOOK, opened, parent_of, split
from libcontainer.files.copy import MAX_BYTES, MAX_FILES, Copied, Copier, remove_tree
from libcontainer.files.info import refuse_kernel, told
from libcontainer.files.moving import give_name
from libcontainer.files.names import NamesOfContainer, Path, text_of
from libcontainer.files.regular import Creation, open_regular

MAX_READ = 64 * 1024**2
_MODES = {"r": os.O_RDONLY, "w": os.O_WRONLY, "x": os.O_WRONLY, "a": os.O_WRONLY}


class ContainerFiles(NamesOfContainer):
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
        text = text_of(path)
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
        raise OSError(errno.EFBIG, text, text_of(path))

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
            told("write", text_of(path)),
        ):
            while left:
                left = left[file.write(left) :]

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
        text, host = text_of(path), os.fspath(target)
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
        text = text_of(path)
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


@contextlib.contextmanager
def _appearing(
    parent: int, name: str, *, replace: bool, owner: tuple[int, int] | None = None
) -> Iterator[str]:
    """Give a name for something that gets its own name once it is whole."""
    fresh = f".{secrets.token_hex(8)}.copy"
    try:
        yield fresh

        def name_it() -> None:
            give_name(parent, fresh, name, replace=replace)

        if owner is None:
            name_it()
        else:
            # The kernel asks for ids that the filesystem knows here, too.
            make(name_it, owner)
    except BaseException:
        with contextlib.suppress(OSError):
            remove_tree(parent, fresh)
        raise
