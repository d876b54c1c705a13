# SPDX-License-Identifier: Apache-2.0
"""Reads tar archives of unknown origin: one pass, bounded, and to the very end."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import IO, Any, cast

from libcontainer.errors import ImageError
from libcontainer.image.digests import Readable

# More than any path or attribute; tarfile reads what a header says at once.
_MOST_AT_ONCE = 1 << 20
_BLOCK = 512


class _Forward:
    """A stream that is only read on, in the form that `tarfile` asks for."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._at = 0
        self.last = b""

    def read(self, size: int) -> bytes:
        if size > _MOST_AT_ONCE:
            message = f"a header of the archive is larger than {_MOST_AT_ONCE} bytes"
            raise ImageError(message)
        data = bytearray()
        while len(data) < size:
            chunk = self._stream.read(size - len(data))
            if not chunk:
                break
            data += chunk
        self._at += len(data)
        self.last = bytes(data)
        return self.last

    def tell(self) -> int:
        return self._at

    def seek(self, position: int) -> int:
        if position < self._at:
            message = "the archive is not in order"
            raise ImageError(message)
        while self._at < position:
            if not self.read(min(position - self._at, _MOST_AT_ONCE)):
                message = "the archive ends in the middle of a file"
                raise ImageError(message)
        return self._at


class _Content:
    """What one entry holds, to its last byte."""

    def __init__(self, stream: _Forward, size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(min(size, self._left, _MOST_AT_ONCE))
        if not data and self._left:
            message = "the archive ends in the middle of a file"
            raise ImageError(message)
        self._left -= len(data)
        return data


def entries_of(stream: Readable) -> Iterator[tuple[tarfile.TarInfo, Readable]]:
    """Yield the entries of an archive, each with its content, which is read next.

    Raises:
        ImageError: it is broken, ends too early, or has more behind its end.
    """
    forward = _Forward(stream)
    try:
        archive: Any = tarfile.TarFile(
            fileobj=cast("IO[bytes]", forward), mode="r", errorlevel=2
        )
        while (entry := archive.next()) is not None:
            if entry.issparse():
                message = (
                    f"{entry.name!r} is a sparse file; layers may not contain those"
                )
                raise ImageError(message)
            forward.seek(entry.offset_data)
            yield entry, _Content(forward, entry.size if entry.isreg() else 0)
            archive.members.clear()  # it would keep all of them
    except (tarfile.TarError, ValueError, OverflowError, EOFError) as error:
        message = f"the archive is broken: {error}"
        raise ImageError(message) from error
    # What cannot be read as a header counts as the end for tarfile.
    rest = forward.last
    while rest:
        if rest.count(0) != len(rest):
            message = "the archive is broken: no end-of-archive marker at its end"
            raise ImageError(message)
        rest = forward.read(_MOST_AT_ONCE)
