# SPDX-License-Identifier: Apache-2.0
"""The program that is a container's only way out: a proxy with a list of names.

Run as a program by its path, in an interpreter without site packages, by
`libcontainer.network.proxy`; so it imports nothing of ours. It stays outside, listens
on a socket that is of the container's network namespace, and has its rules as JSON on
its standard input. It speaks HTTP (CONNECT, and requests for a whole URL) and SOCKS 5.

What it reads is hostile. It gives up root before it reads anything, has a limit for all
that it keeps, and decides by the address that it then connects to: a name is looked up
once. What a server behind an allowed name passes on is beyond it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import re
import resource
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

_NOBODY: Final = 65534
_CONNECTIONS: Final = 128
_FILES: Final = 4 * _CONNECTIONS
_STACK: Final = 256 * 1024
_HEAD: Final = 16 * 1024
_PIECE: Final = 64 * 1024
_HEAD_SECONDS: Final = 30.0
_CONNECT_SECONDS: Final = 15.0
_IDLE_SECONDS: Final = 900.0
_AUTHORITY: Final = re.compile(
    r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9_.-]{1,254}))(?::([0-9]{1,5}))?"
)
_URL: Final = re.compile(r"http://([^/?#@\s]+)([/?][!-~]*)?")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Found = list[tuple[int, str]]
"""Families and addresses."""


class RefusedError(Exception):
    """The rules do not allow it."""


class BrokenError(Exception):
    """It is no request."""


class Rules:
    """Where may be connected to."""

    def __init__(self, rules: Mapping[str, Any]) -> None:
        names = [name.lower() for name in rules["names"]]
        self._exact = {name for name in names if not name.startswith("*.")}
        self._below = tuple(name[1:] for name in names if name.startswith("*."))
        self._networks = [ipaddress.ip_network(n, False) for n in rules["networks"]]
        self._ports = frozenset(rules["ports"])

    def addresses(
        self, host: str, port: int, look_up: Callable[[str, int], Iterable[str]]
    ) -> list[Address]:
        """Return the addresses of *host* that may be connected to, in order.

        Raises:
            RefusedError: there is none.
        """
        if port not in self._ports:
            raise RefusedError(f"port {port} is not in the list")
        with contextlib.suppress(ValueError):
            address = ipaddress.ip_address(host)
            if not self._is_listed(address):
                raise RefusedError(f"{host} is in no network of the list")
            return [address]
        name = host.lower().removesuffix(".")
        if name not in self._exact and not name.endswith(self._below):
            raise RefusedError(f"{name} is not in the list")
        found = [ipaddress.ip_address(text) for text in look_up(name, port)]
        if not found:
            raise RefusedError(f"{name} is not known")
        allowed = [one for one in found if is_public(one) or self._is_listed(one)]
        if not allowed:
            raise RefusedError(f"{name} has no public address")
        return allowed

    def _is_listed(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the Internet, however it is written."""
    inner: Address | None = None
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if inner is not None:
        return is_public(inner)
    return address.is_global and not address.is_multicast


def resolve(name: str, port: int) -> list[str]:
    """Return the addresses of a name, as the host looks it up."""
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [str(one[4][0]).partition("%")[0] for one in found]


def split_authority(text: str, default: int | None = None) -> tuple[str, int]:
    """Return host and port of ``host:port``.

    Raises:
        BrokenError: it is not of this form.
    """
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        raise BrokenError("that is no host and port")
    port = default if found[3] is None else int(found[3])
    if port is None or not 0 < port < 1 << 16:
        raise BrokenError("that is no port")
    return found[1] or found[2], port


class Asked:
    """What a client has asked for, and how it is answered."""

    def __init__(self, host: str, port: int, yes: bytes, first: bytes = b"") -> None:
        """Take where to, what says that it is done, and what is then sent there."""
        self.host, self.port, self.yes, self.first = host, port, yes, first


class Client:
    """One connection out of the container."""

    def __init__(self, peer: socket.socket, rules: Rules) -> None:
        self._peer, self._rules = peer, rules
        self._socks = False

    def serve(self) -> None:
        """Read what is asked for; do it, or say why not."""
        self._peer.settimeout(_HEAD_SECONDS)
        try:
            asked = self._read()
            there = self._connect(asked)
        except RefusedError as error:
            self._answer("403 Forbidden", 2, str(error))
        except BrokenError as error:
            self._answer("400 Bad Request", 1, str(error))
        except OSError as error:
            self._answer("502 Bad Gateway", 5, error.strerror or str(error))
        else:
            with there:
                self._peer.sendall(asked.yes)
                there.sendall(asked.first)
                relay(self._peer, there)

    def _read(self) -> Asked:
        start = self._exactly(1)
        if start == b"\x05":
            self._socks = True
            return self._read_socks()
        return self._read_http(start)

    def _connect(self, asked: Asked) -> socket.socket:
        failure: OSError = OSError("nothing to connect to")
        for address in self._rules.addresses(asked.host, asked.port, resolve):
            target = (str(address), asked.port)
            try:
                return socket.create_connection(target, _CONNECT_SECONDS)
            except OSError as error:
                failure = error
        raise failure

    def _answer(self, status: str, code: int, why: str) -> None:
        if self._socks:
            said = bytes((5, code, 0, 1)) + bytes(6)
        else:
            body = f"libcontainer proxy: {why}\n".encode()
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n"
            said = f"{head}Connection: close\r\n\r\n".encode() + body
        with contextlib.suppress(OSError):
            self._peer.sendall(said)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self._peer.recv(count - len(data))
            if not piece:
                raise BrokenError("it ends too early")
            data += piece
        return data

    # -- SOCKS 5 (RFC 1928), without authentication

    def _read_socks(self) -> Asked:
        methods = self._exactly(self._exactly(1)[0])
        if 0 not in methods:
            self._peer.sendall(b"\x05\xff")
            raise BrokenError("no method in common")
        self._peer.sendall(b"\x05\x00")
        version, command, _, kind = self._exactly(4)
        if version != 5 or command != 1:
            raise BrokenError("only CONNECT is done")
        if kind == 1:
            host = socket.inet_ntop(socket.AF_INET, self._exactly(4))
        elif kind == 4:
            host = socket.inet_ntop(socket.AF_INET6, self._exactly(16))
        elif kind == 3:
            host = self._exactly(self._exactly(1)[0]).decode("ascii", "replace")
        else:
            raise BrokenError("no such form of address")
        port = int.from_bytes(self._exactly(2), "big")
        text = f"[{host}]:{port}" if kind == 4 else f"{host}:{port}"
        return Asked(*split_authority(text), bytes((5, 0, 0, 1)) + bytes(6))

    # -- HTTP (RFC 9110, 9112)

    def _read_http(self, start: bytes) -> Asked:
        data = start
        while b"\r\n\r\n" not in data:
            piece = self._peer.recv(_HEAD)
            data += piece
            if not piece or len(data) > _HEAD:
                raise BrokenError("that is no head of a request")
        head, _, rest = data.partition(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        try:
            method, target, version = line.split(" ")
        except ValueError:
            raise BrokenError("that is no request") from None
        if version not in {"HTTP/1.0", "HTTP/1.1"}:
            raise BrokenError("that is no version of HTTP")
        if method == "CONNECT":
            yes = b"HTTP/1.1 200 Connection established\r\n\r\n"
            return Asked(*split_authority(target), yes, rest)
        return _whole_url(method, target, fields, rest)


def _whole_url(method: str, target: str, fields: list[str], rest: bytes) -> Asked:
    found = _URL.fullmatch(target)
    if found is None or not method.isalpha():
        raise BrokenError("ask with CONNECT, or for a whole URL")
    host, port = split_authority(found[1], 80)
    path = found[2] or "/"
    # What follows on this connection goes to the same server, whatever it says.
    head = [
        f"{method} {path if path.startswith('/') else '/' + path} HTTP/1.1",
        f"Host: {found[1]}",
        *(field for field in fields if not _is_hop(field)),
        "Connection: close",
    ]
    return Asked(
        host, port, b"", "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + rest
    )


def _is_hop(field: str) -> bool:
    name = field.partition(":")[0].strip().lower()
    return name.startswith("proxy-") or name in {"host", "connection", "keep-alive"}


def relay(one: socket.socket, other: socket.socket) -> None:
    """Pass on what either side says, until both have ended."""
    for end in (one, other):
        end.settimeout(_IDLE_SECONDS)
    back = threading.Thread(target=_pass_on, args=(other, one), daemon=True)
    back.start()
    _pass_on(one, other)
    back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(_PIECE):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        # Neither side has any use for the rest.
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def serve(listener: socket.socket, rules: Rules) -> None:
    """Answer clients for ever."""
    free = threading.BoundedSemaphore(_CONNECTIONS)

    def answer(peer: socket.socket) -> None:
        try:
            with peer:
                Client(peer, rules).serve()
        except OSError:
            pass
        finally:
            free.release()

    for peer in _accepted(listener, free):
        try:
            threading.Thread(target=answer, args=(peer,), daemon=True).start()
        except RuntimeError:
            # There is no thread to be had just now.
            peer.close()
            free.release()


def _accepted(
    listener: socket.socket, free: threading.BoundedSemaphore
) -> Iterator[socket.socket]:
    while True:
        free.acquire()
        try:
            peer, _ = listener.accept()
        except OSError:
            # Gone before it was taken.
            free.release()
        else:
            yield peer


def become_nobody() -> None:
    """Give up root, and what it does not need."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, _FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if os.geteuid() == 0:
        # In a user namespace there may be nobody else to become.
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setresgid(_NOBODY, _NOBODY, _NOBODY)
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)


def main(listener: int) -> None:
    """Serve on a socket that listens."""
    # It is loaded at the first name, from where nobody may not be able to read.
    "name".encode("idna")
    become_nobody()
    rules = Rules(json.load(sys.stdin))
    threading.stack_size(_STACK)
    with socket.socket(fileno=listener) as taken:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        serve(taken, rules)


if __name__ == "__main__":
    main(int(sys.argv[1]))
