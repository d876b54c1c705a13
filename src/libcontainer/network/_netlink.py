# SPDX-License-Identifier: Apache-2.0
"""Speaks rtnetlink(7) over one socket. The only file that imports pyroute2.

pyroute2 encodes and decodes; the socket is a plain one of ours, so there is no
event loop, no thread and no child, and the kernel's own words come with each
error (NETLINK_EXT_ACK, Linux 4.12).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import ipaddress
import os
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self

from libcontainer.errors import NetworkError

_SOL_NETLINK: Final = 270
_CAP_ACK: Final = 10
_EXT_ACK: Final = 11
_GET_STRICT_CHK: Final = 12
_ERROR, _DONE = 2, 3
_REQUEST, _ACK, _EXCL, _CREATE, _REPLACE = 1, 4, 0x200, 0x400, 0x100
_DUMP: Final = 0x300
_ACK_TLVS: Final = 0x200
_MESSAGE: Final = 1
_HEADER: Final = struct.Struct("=IHHII")
_BUFFER: Final = 1 << 16
_SIOCGSKNS: Final = 0x894C
_SECONDS: Final = 10.0
_LINK_SIZE: Final = 16
_IFALIAS: Final = 20

NEW_LINK, DEL_LINK, GET_LINK, SET_LINK = 16, 17, 18, 19
NEW_ADDR, GET_ADDR = 20, 22
NEW_ROUTE = 24
NEW_NEIGH = 28
NEW_QDISC, NEW_FILTER = 36, 44
IFF_UP: Final = 1
_PERMANENT: Final = 0x80
_NODAD: Final = 0x02

Attributes = list[tuple[str, Any]]


class Netlink:
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

    # -- links

    def add_link(
        self,
        what: str,
        kind: str,
        data: Attributes | None = None,
        *,
        index: int = 0,
        **attributes: Any,  # noqa: ANN401 - values of the kernel's attributes
    ) -> None:
        """Make a link of a kind.

        Args:
            what: what is tried, for an error.
            kind: ``veth``, ``bridge``, …
            data: attributes of the kind (``IFLA_INFO_DATA``).
            index: its number, 0 for one of the kernel's.
            attributes: of every link, in small letters: ``ifname="eth0"``.

        Raises:
            NetworkError: the kernel refused it.
        """
        info: Attributes = [("IFLA_INFO_KIND", kind)]
        if data is not None:
            info.append(("IFLA_INFO_DATA", {"attrs": data}))
        attrs = [*link_attributes(attributes), ("IFLA_LINKINFO", {"attrs": info})]
        self._link(what, NEW_LINK, _CREATE | _EXCL, {"index": index, "attrs": attrs})

    def set_link(
        self,
        what: str,
        index: int,
        *,
        up: bool | None = None,
        port: Attributes | None = None,
        **attributes: Any,  # noqa: ANN401
    ) -> None:
        """Change a link; *port* is of a port of a bridge.

        Raises:
            NetworkError: the kernel refused it.
        """
        attrs = link_attributes(attributes)
        if port is not None:
            attrs.append(
                (
                    "IFLA_LINKINFO",
                    {
                        "attrs": [
                            ("IFLA_INFO_SLAVE_KIND", "bridge"),
                            ("IFLA_INFO_SLAVE_DATA", {"attrs": port}),
                        ]
                    },
                )
            )
        fields: dict[str, Any] = {"index": index, "attrs": attrs}
        if up is not None:
            fields |= {"flags": IFF_UP if up else 0, "change": IFF_UP}
        self._link(what, NEW_LINK, 0, fields)

    def delete_link(self, name: str, *, alias: str | None = None) -> None:
        """Remove a link; one that is not there is no error.

        With *alias* it is not, where it has another one.

        Raises:
            NetworkError: the kernel refused it.
        """
        found = self._look_up(name)
        if found is None:
            return
        if alias is not None and found[1] != alias:
            return
        fields = {"index": found[0]}
        try:
            self._link(f"remove the link {name!r}", DEL_LINK, 0, fields)
        except NetworkError as error:
            if error.errno != errno.ENODEV:
                raise

    def link(self, name: str) -> dict[str, Any] | None:
        """Return ``index``, ``flags`` and the attributes of a link, or None."""
        fields = {"attrs": [("IFLA_IFNAME", name)]}
        try:
            found = self._link(f"look up {name!r}", GET_LINK, 0, fields)
        except NetworkError as error:
            if error.errno == errno.ENODEV:
                return None
            raise
        return found[0]

    def index_of(self, name: str) -> int | None:
        """Return the number of a link, or None."""
        found = self._look_up(name)
        return None if found is None else found[0]

    def _look_up(self, name: str) -> tuple[int, str | None] | None:
        """Return number and alias of a link, or None; without a full decoding."""
        from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg  # noqa: PLC0415 - slow

        fields = {"attrs": [("IFLA_IFNAME", name)]}
        try:
            self._send(ifinfmsg, GET_LINK, 0, fields)
            (data,) = self._answers(f"look up {name!r}")
        except NetworkError as error:
            if error.errno == errno.ENODEV:
                return None
            raise
        (index,) = struct.unpack_from("=i", data, _HEADER.size + 4)
        alias = _attribute(data, _HEADER.size + _LINK_SIZE, _IFALIAS)
        return index, None if alias is None else _text(alias)

    def need(self, name: str, what: str) -> int:
        """Return the number of a link.

        Raises:
            NetworkError: ``ENODEV``.
        """
        index = self.index_of(name)
        if index is None:
            raise NetworkError(errno.ENODEV, what, hint=f"there is no link {name!r}")
        return index

    def links(self) -> list[dict[str, Any]]:
        """Return every link, as `link` does."""
        return self._link("list the links", GET_LINK, _DUMP, {"attrs": []})

    # -- what is on them

    def add_address(self, index: int, address: str) -> None:
        """Give a link an address with its prefix; it can be used at once.

        Raises:
            NetworkError: the kernel refused it.
        """
        from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg  # noqa: PLC0415 - slow

        found = ipaddress.ip_interface(address)
        attrs = [("IFA_LOCAL", str(found.ip)), ("IFA_ADDRESS", str(found.ip))]
        flags = _PERMANENT
        if found.version == 4:
            attrs.append(("IFA_BROADCAST", str(found.network.broadcast_address)))
        else:
            # Nobody else has it, and what starts at once wants to use it.
            flags |= _NODAD
        fields = {
            "family": _family(found.version),
            "prefixlen": found.network.prefixlen,
            "flags": flags,
            "index": index,
            "attrs": attrs,
        }
        what = f"add the address {address}"
        self._request(what, ifaddrmsg, NEW_ADDR, _CREATE | _EXCL, fields)

    def addresses(self, index: int, *, every: bool = False) -> list[str]:
        """Return the addresses of a link: those of global scope, or every one."""
        from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg  # noqa: PLC0415 - slow

        fields = {"index": index, "attrs": []}
        found = self._request("list addresses", ifaddrmsg, GET_ADDR, _DUMP, fields)
        return [
            f"{one['attrs'].get('IFA_LOCAL') or one['attrs']['IFA_ADDRESS']}"
            f"/{one['prefixlen']}"
            for one in found
            if every or one["scope"] == 0
        ]

    def add_route(
        self,
        what: str,
        *,
        destination: str | None,
        gateway: str | None = None,
        source: str | None = None,
        index: int | None = None,
        metric: int | None = None,
    ) -> None:
        """Add a route to the main table.

        Raises:
            NetworkError: the kernel refused it.
        """
        from pyroute2.netlink.rtnl.rtmsg import rtmsg  # noqa: PLC0415 - slow

        known = [text for text in (gateway, source, destination) if text is not None]
        version = ipaddress.ip_interface(known[0]).version
        attrs: Attributes = []
        length = 0
        if destination is not None:
            network = ipaddress.ip_network(destination, strict=False)
            length = network.prefixlen
            attrs += [("RTA_DST", str(network.network_address))] if length else []
        attrs += [("RTA_GATEWAY", gateway)] if gateway else []
        attrs += [("RTA_PREFSRC", source)] if source else []
        attrs += [("RTA_OIF", index)] if index is not None else []
        attrs += [("RTA_PRIORITY", metric)] if metric is not None else []
        fields = {
            "family": _family(version),
            "dst_len": length,
            "table": 254,
            "proto": 3,
            "scope": 0 if gateway else 253,
            "type": 1,
            "attrs": attrs,
        }
        self._request(what, rtmsg, NEW_ROUTE, _CREATE | _EXCL, fields)

    def add_neighbour(self, index: int, address: str, mac: str) -> None:
        """Add a fixed entry to the neighbour table of a link.

        Raises:
            NetworkError: the kernel refused it.
        """
        from pyroute2.netlink.rtnl.ndmsg import ndmsg  # noqa: PLC0415 - slow

        fields = {
            "family": _family(ipaddress.ip_address(address).version),
            "ifindex": index,
            "state": 0x80,
            "attrs": [("NDA_DST", address), ("NDA_LLADDR", mac)],
        }
        what = f"add the neighbour {address}"
        self._request(what, ndmsg, NEW_NEIGH, _CREATE | _REPLACE, fields)

    def traffic(
        self, what: str, kind: int, fields: Mapping[str, Any], attrs: Attributes
    ) -> None:
        """Add a queueing discipline or a filter (tc(8)).

        Raises:
            NetworkError: the kernel refused it.
        """
        from pyroute2.netlink.rtnl.tcmsg import tcmsg  # noqa: PLC0415 - slow

        full = {**fields, "attrs": attrs}
        self._request(what, tcmsg, kind, _CREATE | _EXCL, full)

    # -- messages

    def _link(
        self, what: str, kind: int, flags: int, fields: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg  # noqa: PLC0415 - slow

        return self._request(what, ifinfmsg, kind, flags, fields)

    def _request(
        self,
        what: str,
        form: Callable[..., Any],
        kind: int,
        flags: int,
        fields: Mapping[str, Any],
    ) -> list[dict[str, Any]]:
        self._send(form, kind, flags, fields)
        return [_decoded(form, data) for data in self._answers(what)]

    def _send(
        self,
        form: Callable[..., Any],
        kind: int,
        flags: int,
        fields: Mapping[str, Any],
    ) -> None:
        message = form()
        for key, value in fields.items():
            message[key] = value
        self._sequence += 1
        message["header"]["type"] = kind
        dumps = flags == _DUMP
        message["header"]["flags"] = _REQUEST | flags | (0 if dumps else _ACK)
        message["header"]["sequence_number"] = self._sequence
        message.encode()
        self._socket.send(bytes(message.data))

    def _answers(self, what: str) -> Iterator[bytes]:
        found: list[bytes] = []
        while True:
            data = self._socket.recv(_BUFFER)
            while data:
                size, kind, flags, sequence, _ = _HEADER.unpack_from(data)
                one, data = data[:size], data[(size + 3) & ~3 :]
                if sequence != self._sequence:
                    continue
                if kind in {_ERROR, _DONE}:
                    number = -int.from_bytes(one[16:20], "little", signed=True)
                    if number > 0:
                        raise NetworkError(number, what, hint=_words(one, flags))
                    return iter(found)
                found.append(one)


def _attribute(message: bytes, at: int, wanted: int) -> bytes | None:
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
    text = _attribute(message, 36, _MESSAGE) if flags & _ACK_TLVS else None
    if text is None:
        return None
    return f"the kernel says: {_text(text)}"


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")


def _decoded(form: Any, data: bytes) -> dict[str, Any]:  # noqa: ANN401 - untyped
    message = form(data)
    message.decode()
    names = dict(message["attrs"])
    fields = {key: message[key] for key in dict(message) if key != "attrs"}
    return {**fields, "attrs": names}


def link_attributes(values: Mapping[str, Any]) -> Attributes:
    """Return attributes of a link; those that are None are left out."""
    return [
        (f"IFLA_{name.upper()}", value)
        for name, value in values.items()
        if value is not None
    ]


def _family(version: int) -> int:
    return int(socket.AF_INET if version == 4 else socket.AF_INET6)


def open_namespace(pid: int) -> int:
    """Return an fd of the network namespace of a process."""
    return os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
