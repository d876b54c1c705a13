# SPDX-License-Identifier: Apache-2.0
"""Images in files: a directory of the OCI image layout, or an archive of one."""

from __future__ import annotations

import contextlib
import os
import posixpath
import stat
import tarfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import IO, Any, Protocol, cast

from libcontainer.bindings.openat2 import Resolve, openat2
from libcontainer.errors import ImageError
from libcontainer.image.digests import Readable

_HERE = Resolve.BENEATH | Resolve.NO_SYMLINKS | Resolve.NO_MAGICLINKS
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_MAX_MEMBERS = 100_000
_MAX_LINKS = 8


class Files(Protocol):
    """Named files that an image is read from."""

    def open(self, name: str) -> AbstractContextManager[Readable]:
        """Open a file for a block.

        Raises:
            FileNotFoundError: there is none of that name.
        """
        ...


def read_file(files: Files, name: str, limit: int) -> bytes:
    """Return what a small file holds.

    Raises:
        ImageError: it is larger than *limit*, or is not there.
    """
    try:
        with files.open(name) as stream:
            data = bytearray()
            while chunk := stream.read(limit + 1 - len(data)):
                data += chunk
    except FileNotFoundError:
        message = f"the image has no file {name!r}"
        raise ImageError(message) from None
    if len(data) > limit:
        message = f"{name!r} is larger than {limit} bytes"
        raise ImageError(message)
    return bytes(data)


class Folder:
    """Files of a directory, none of them a link or anything but a file."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Close the directory."""
        os.close(self._fd)

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[Readable]:
        """Open a file for a block."""
        look = openat2(self._fd, name, os.O_PATH, resolve=_HERE)
        try:
            if not stat.S_ISREG(os.fstat(look).st_mode):
                message = f"{name!r} of the image is no regular file"
                raise ImageError(message)
            fd = os.open(f"/proc/self/fd/{look}", _READ)
        finally:
            os.close(look)
        with open(fd, "rb", buffering=0) as file:
            yield file


class Archive:
    """Files of a tar archive on the disk, which is not unpacked for it."""

    def __init__(self, path: str) -> None:
        if not stat.S_ISREG(os.stat(path).st_mode):
            message = f"{path!r} is no regular file"
            raise ImageError(message)
        self._file = open(os.open(path, _READ), "rb")  # noqa: SIM115 - until close
        try:
            self._members = self._index()
        except BaseException:
            self._file.close()
            raise

    def _index(self) -> dict[str, tarfile.TarInfo]:
        found: dict[str, tarfile.TarInfo] = {}
        try:
            archive: Any = tarfile.TarFile(
                fileobj=cast("IO[bytes]", _Capped(self._file)), mode="r"
            )
            while (entry := archive.next()) is not None:
                archive.members.clear()  # it would keep all of them
                if len(found) >= _MAX_MEMBERS:
                    message = f"the archive has more than {_MAX_MEMBERS} files"
                    raise ImageError(message)
                if entry.isreg() or entry.issym() or entry.islnk():
                    found[posixpath.normpath(entry.name)] = entry
        except (tarfile.TarError, ValueError, OverflowError, EOFError) as error:
            message = f"the archive is broken: {error}"
            raise ImageError(message) from error
        return found

    def names(self) -> list[str]:
        """Return the names of all files."""
        return list(self._members)

    def close(self) -> None:
        """Close the archive."""
        self._file.close()

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[Readable]:
        """Open a file for a block; one that is the same as another is that one."""
        entry = self._members.get(posixpath.normpath(name))
        for _ in range(_MAX_LINKS):
            if entry is None or entry.isreg():
                break
            place = posixpath.dirname(entry.name) if entry.issym() else ""
            entry = self._members.get(
                posixpath.normpath(posixpath.join(place, entry.linkname))
            )
        if entry is None or not entry.isreg() or entry.issparse():
            raise FileNotFoundError(name)
        self._file.seek(entry.offset_data)
        yield _Part(self._file, entry.size)


class _Part:
    def __init__(self, file: Readable, size: int) -> None:
        self._file = file
        self._left = size

    def read(self, size: int, /) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._file.read(wanted)
        self._left -= len(data)
        return data


class _Capped:
    """A file of which no header is read that is larger than any should be."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, position: int) -> int:
        return self._file.seek(position)

    def close(self) -> None:
        pass

    def read(self, size: int) -> bytes:
        if size > 1 << 20:
            message = "a header of the archive is larger than 1 MiB"
            raise ImageError(message)
        return self._file.read(size)
