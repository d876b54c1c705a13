# SPDX-License-Identifier: Apache-2.0
"""Bytes and text of a program's streams, as subprocess turns them into each other."""

from __future__ import annotations

import codecs
import io
from typing import IO, Any, cast

from attrs import frozen


@frozen
class TextForm:
    """How bytes become text.

    Attributes:
        encoding: of the text; None: streams are bytes.
        errors: how bad text is handled.
    """

    encoding: str | None
    errors: str

    @classmethod
    def of(
        cls, *, text: bool | None, encoding: str | None, errors: str | None
    ) -> TextForm:
        """Return the form that the keywords of subprocess ask for.

        Raises:
            LookupError: there is no such encoding, or no such way with errors.
        """
        if encoding is not None:
            codecs.lookup(encoding)
        if errors is not None:
            codecs.lookup_error(errors)
        wanted = text or encoding or errors
        return cls((encoding or "utf-8") if wanted else None, errors or "strict")

    def encode(self, data: bytes | bytearray | memoryview | str | None) -> bytes | None:
        """Return what a program is to read as bytes."""
        if data is None or isinstance(data, bytes):
            return data
        if isinstance(data, str):
            return data.encode(self.encoding or "utf-8", self.errors)
        return bytes(data)

    def decode(self, data: bytes | None) -> Any:  # noqa: ANN401 - bytes or text
        """Return what a program wrote; lines of text end as Python has them."""
        if data is None or self.encoding is None:
            return data
        text = data.decode(self.encoding, self.errors)
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def wrap(self, stream: IO[Any] | None, bufsize: int) -> IO[Any] | None:
        """Return the caller's end of a pipe, buffered and in text as asked for.

        Args:
            stream: a binary file, from which nothing was read yet.
            bufsize: 0 is none, 1 by line (text only), else the size; negative is
                the default size.
        """
        if stream is None:
            return None
        raw = stream.detach() if isinstance(stream, io.BufferedReader) else stream
        binary = _buffered(cast("io.RawIOBase", raw), bufsize)
        if self.encoding is None:
            return cast("IO[Any]", binary)
        return io.TextIOWrapper(
            cast("IO[bytes]", binary),
            encoding=self.encoding,
            errors=self.errors,
            line_buffering=bufsize == 1,
            write_through=bufsize == 0,
        )


def _buffered(raw: io.RawIOBase, bufsize: int) -> io.IOBase:
    if bufsize == 0 and not raw.writable():
        return raw
    size = io.DEFAULT_BUFFER_SIZE if bufsize <= 1 else bufsize
    if raw.writable():
        return raw if bufsize == 0 else io.BufferedWriter(raw, size)
    return io.BufferedReader(raw, size)
