# SPDX-License-Identifier: Apache-2.0
"""Reads what may be compressed: known by its first bytes, as its digest is checked."""

from __future__ import annotations

import gzip
import importlib
import io
import zlib
from typing import IO, Any, cast

from libcontainer.errors import ImageError, UnsupportedError
from libcontainer.image.digests import Readable

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_MOST_AT_ONCE = 1 << 20


def is_compressed(path: str) -> bool:
    """Tell whether a file begins as gzip or zstd do; a host path."""
    with open(path, "rb", buffering=0) as file:
        start = file.read(4)
    return start.startswith(_GZIP) or start == _ZSTD


def decompressed(stream: Readable) -> Readable:
    """Return a stream of the content: gzip, zstd, or as it is.

    Raises:
        UnsupportedError: it is zstd, which this Python cannot read (before 3.14).
    """
    start = stream.read(4)
    raw = io.BufferedReader(_Joined(start, stream), _MOST_AT_ONCE)
    if start.startswith(_GZIP):
        return _Told(gzip.GzipFile(fileobj=cast("IO[bytes]", raw)))
    if start == _ZSTD:
        return _Told(_zstd(cast("IO[bytes]", raw)))
    return raw


def _zstd(raw: IO[bytes]) -> Readable:
    try:
        module: Any = importlib.import_module("compression.zstd")
    except ImportError:
        raise UnsupportedError("a zstd layer", "Python 3.14") from None
    return cast("Readable", module.ZstdFile(raw))


class _Joined(io.RawIOBase):
    """The first bytes again, then the rest of the stream."""

    def __init__(self, start: bytes, stream: Readable) -> None:
        self._start = start
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401 - any writable buffer
        if self._start:
            data = self._start[: len(buffer)]
            self._start = self._start[len(data) :]
        else:
            data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Told:
    """A decompressor whose complaints are about an image."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        try:
            return self._stream.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
            message = f"the content is not compressed as it says: {error}"
            raise ImageError(message) from error
        except OSError as error:
            if error.errno is not None:
                raise
            message = f"the content is not compressed as it says: {error}"
            raise ImageError(message) from error
