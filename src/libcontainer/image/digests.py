# SPDX-License-Identifier: Apache-2.0
"""Digests of content, and streams that are measured while they are read."""

from __future__ import annotations

import hashlib
import re
from typing import Final, Protocol

from libcontainer.errors import ImageError

_FORM: Final = re.compile(r"(sha256):([0-9a-f]{64})|(sha512):([0-9a-f]{128})")


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most *size* bytes; none at the end."""
        ...


def check_digest(text: object) -> str:
    """Return a digest that is one, such as ``sha256:`` and 64 digits.

    Raises:
        ImageError: it is not.
    """
    if not isinstance(text, str) or not _FORM.fullmatch(text):
        message = f"not a digest of sha256 or sha512: {str(text)[:100]!r}"
        raise ImageError(message)
    return text


def digest_of(data: bytes) -> str:
    """Return the SHA-256 digest of data."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def check_content(data: bytes, digest: str) -> None:
    """Check that data is what its digest says.

    Raises:
        ImageError: it is something else.
    """
    algorithm = digest.partition(":")[0]
    found = f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
    if found != digest:
        message = f"the content has the digest {found}, not {digest}"
        raise ImageError(message)


class Measured:
    """A stream that is hashed and counted while it is read.

    Attributes:
        size: bytes that have been read.
    """

    def __init__(
        self, stream: Readable, algorithm: str = "sha256", limit: int | None = None
    ) -> None:
        self._stream = stream
        self._algorithm = algorithm
        self._hash = hashlib.new(algorithm)
        self._limit = limit
        self.size = 0

    def read(self, size: int = -1, /) -> bytes:
        """Return at most *size* bytes.

        Raises:
            ImageError: there are more bytes than the limit.
        """
        data = self._stream.read(size)
        self._hash.update(data)
        self.size += len(data)
        if self._limit is not None and self.size > self._limit:
            message = f"there are more than {self._limit} bytes"
            raise ImageError(message)
        return data

    @property
    def digest(self) -> str:
        """The digest of what has been read."""
        return f"{self._algorithm}:{self._hash.hexdigest()}"

    def finish(self, digest: str | None, size: int | None = None) -> None:
        """Read the rest, and check that all of it is what it should be.

        Raises:
            ImageError: it is something else.
        """
        while self.read(1 << 20):
            pass
        if size is not None and self.size != size:
            message = f"the content has {self.size} bytes, not {size}"
            raise ImageError(message)
        if digest is not None and self.digest != digest:
            message = f"the content has the digest {self.digest}, not {digest}"
            raise ImageError(message)
