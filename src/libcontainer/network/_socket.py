# SPDX-License-Identifier: Apache-2.0
"""A netlink(7) socket: sends requests, many at once too, and reads the answers.

The socket is a plain one, so there is no event loop, no thread and no child, and
the kernel's own words come with each error (NETLINK_EXT_ACK, Linux 4.12).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import socket
import struct
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self

from libcontainer.errors import NetworkError
from libcontainer.network._forms import form

_SOL_NETLINK: Final = 270
_CAP_ACK: Final = 10
_EXT_ACK: Final = 11
_GET_STRICT_CHK: Final = 12
_ERROR, _DONE = 2, 3
_REQUEST, _ACK = 1, 4
DUMP: Final = 0x300
_ACK_TLVS: Final = 0x200
_MESSAGE: Final = 1
HEADER: Final = struct.Struct("=IHHII")
_SEQUENCE: Final = 8
_BUFFER: Final = 1 << 16
_SIOCGSKNS: Final = 0x894C
_SECONDS: Final = 10.0
_NO_RIGHT: Final = (
    "it needs CAP_NET_ADMIN on the host; Pasta, Slirp4netns and Proxy work without"
)


class Transport:
    """A netlink socket in one network namespace. Not for two threads at once."""

    def __init__(self, fd: int | None = None) -> None:
        """Take over *fd*, or open a socket in the caller's namespace."""
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_NETLINK, kind, 0, fileno=fd)
        for option in (_CAP_ACK, _EXT_ACK, _GET_STRICT_CHK):
            with contextlib.suppress(OSError):
                self._socket.setsockopt(_SOL_NETLINK, option, 1)
        self._socket.settimeout(_SECONDS)
        self._sequence = 0
        self._waiting: list[tuple[int, str, bytes]] | None = None

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def namespace(self) -> int:
        """Return a new fd of the network namespace that the socket is of."""
        return fcntl.ioctl(self._socket.fileno(), _SIOCGSKNS, 0)

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        """Send what is asked for in this block by one call, at its end.

        The kernel takes it in order, and goes on after a request that failed.

        Raises:
            NetworkError: of the first that failed.
        """
        self._waiting = []
        try:
            yield
            waiting, self._waiting = self._waiting, None
            if waiting:
                self._socket.send(b"".join(data for _, _, data in waiting))
                self._acknowledged({number: what for number, what, _ in waiting})
        finally:
            self._waiting = None

    def request(
        self, what: str, kind: str, number: int, flags: int, fields: Mapping[str, Any]
    ) -> list[bytes]:
        """Send a request; return the messages that answer it.

        Args:
            what: what is tried, for an error.
            kind: name of the message's format.
            number: of the message, ``RTM_*``.
            flags: ``NLM_F_*``; an acknowledgement is asked for anyway.
            fields: of the message, ``attrs`` among them.

        Raises:
            NetworkError: the kernel refused it.
        """
        self._sequence += 1
        data = _encoded(kind, number, flags, self._sequence, fields)
        if self._waiting is not None:
            self._waiting.append((self._sequence, what, data))
            return []
        self._socket.send(data)
        return self._acknowledged({self._sequence: what})

    def _acknowledged(self, missing: dict[int, str]) -> list[bytes]:
        found: list[bytes] = []
        failure: NetworkError | None = None
        while missing:
            data = self._socket.recv(_BUFFER)
            for one, kind, flags, sequence in _messages(data):
                if sequence not in missing:
                    continue
                if kind not in {_ERROR, _DONE}:
                    found.append(one)
                    continue
                what = missing.pop(sequence)
                failure = failure or _failure(one, flags, what)
        if failure is not None:
            raise failure
        return found


def _messages(data: bytes) -> Iterator[tuple[bytes, int, int, int]]:
    while data:
        size, kind, flags, sequence, _ = HEADER.unpack_from(data)
        yield data[:size], kind, flags, sequence
        data = data[(size + 3) & ~3 :]


def _encoded(
    kind: str, number: int, flags: int, sequence: int, fields: Mapping[str, Any]
) -> bytes:
    data = bytearray(_kept(kind, number, flags, _frozen(fields)))
    struct.pack_into("=I", data, _SEQUENCE, sequence)
    return bytes(data)


@functools.lru_cache(maxsize=128)
def _kept(kind: str, number: int, flags: int, fields: Any) -> bytes:  # noqa: ANN401
    """Return a message without its sequence number; containers ask the same often."""
    message = form(kind)()
    for key, value in fields:
        message[key] = _thawed(value)
    message["header"]["type"] = number
    acknowledged = 0 if flags == DUMP else _ACK
    message["header"]["flags"] = _REQUEST | flags | acknowledged
    message.encode()
    data = bytes(message.data)
    return data + bytes(-len(data) % 4)


def _frozen(value: Any) -> Any:  # noqa: ANN401 - nested fields
    if isinstance(value, Mapping):
        return tuple((key, _frozen(item)) for key, item in value.items())
    if isinstance(value, list):
        return _Attributes((name, _frozen(item)) for name, item in value)
    return value


class _Attributes(tuple[Any, ...]):
    """A list of attributes that can be a key; other tuples are mappings."""

    __slots__ = ()


def _thawed(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, _Attributes):
        return [(name, _thawed(item)) for name, item in value]
    if isinstance(value, tuple):
        return {key: _thawed(item) for key, item in value}
    return value


def decoded(kind: str, data: bytes) -> dict[str, Any]:
    """Return the fields of a message, and its attributes by name in ``attrs``."""
    message = form(kind)(data)
    message.decode()
    names = dict(message["attrs"])
    fields = {key: message[key] for key in dict(message) if key != "attrs"}
    return {**fields, "attrs": names}


def _failure(message: bytes, flags: int, what: str) -> NetworkError | None:
    number = -int.from_bytes(message[16:20], "little", signed=True)
    if number <= 0:
        return None
    hint = _words(message, flags)
    if hint is None and number == errno.EPERM:
        hint = _NO_RIGHT
    return NetworkError(number, what, hint=hint)


def attribute(message: bytes, at: int, wanted: int) -> bytes | None:
    """Return an attribute of a message whose attributes begin at *at*, or None."""
    while at + 4 <= len(message):
        size, kind = struct.unpack_from("=HH", message, at)
        if size < 4:
            break
        if kind == wanted:
            return message[at + 4 : at + size]
        at += (size + 3) & ~3
    return None


def _words(message: bytes, flags: int) -> str | None:
    """Return what the kernel says of an error, if it says something."""
    found = attribute(message, 36, _MESSAGE) if flags & _ACK_TLVS else None
    return None if found is None else f"the kernel says: {text(found)}"


def text(value: bytes) -> str:
    """Return a text of an attribute without the zero at its end."""
    return value.rstrip(b"\0").decode(errors="replace")
