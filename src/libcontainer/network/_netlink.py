# SPDX-License-Identifier: Apache-2.0
"""What rtnetlink(7) can do to links, in verbs; pyroute2 has the form of messages."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
from collections.abc import Mapping
from typing import Any, Final

from libcontainer.errors import NetworkError
from libcontainer.network._socket import (
    DUMP,
    HEADER,
    Transport,
    attribute,
    decoded,
    text,
)

_EXCL, _CREATE, _REPLACE = 0x200, 0x400, 0x100
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


class Netlink(Transport):
    """The verbs of one network namespace. Not for two threads at once."""

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
        link: int | str,
        *,
        up: bool | None = None,
        port: Attributes | None = None,
        **attributes: Any,  # noqa: ANN401
    ) -> None:
        """Change a link, known by its number or by its name.

        Args:
            what: what is tried, for an error.
            link: the link. By its number only can its name be changed.
            up: whether it is to be up. None: as it is.
            port: attributes of it as a port of a bridge.
            attributes: as of `add_link`.

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
        named = isinstance(link, str)
        if named:
            attrs.append(("IFLA_IFNAME", link))
        fields: dict[str, Any] = {"index": 0 if named else link, "attrs": attrs}
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
        return decoded("ifinfmsg", found[0])

    def index_of(self, name: str) -> int | None:
        """Return the number of a link, or None."""
        found = self._look_up(name)
        return None if found is None else found[0]

    def _look_up(self, name: str) -> tuple[int, str | None] | None:
        """Return number and alias of a link, or None; without a full decoding."""
        fields = {"attrs": [("IFLA_IFNAME", name)]}
        try:
            (data,) = self._link(f"look up {name!r}", GET_LINK, 0, fields)
        except NetworkError as error:
            if error.errno == errno.ENODEV:
                return None
            raise
        (index,) = struct.unpack_from("=i", data, HEADER.size + 4)
        alias = attribute(data, HEADER.size + _LINK_SIZE, _IFALIAS)
        return index, None if alias is None else text(alias)

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
        found = self._link("list the links", GET_LINK, DUMP, {"attrs": []})
        return [decoded("ifinfmsg", one) for one in found]

    # -- what is on them

    def add_address(self, index: int, address: str) -> None:
        """Give a link an address with its prefix; it can be used at once.

        Raises:
            NetworkError: the kernel refused it.
        """
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
        self.request(what, "ifaddrmsg", NEW_ADDR, _CREATE | _EXCL, fields)

    def addresses(self, index: int, *, every: bool = False) -> list[str]:
        """Return the addresses of a link: those of global scope, or every one."""
        fields = {"index": index, "attrs": []}
        what = "list the addresses"
        found = self.request(what, "ifaddrmsg", GET_ADDR, DUMP, fields)
        return [
            f"{one['attrs'].get('IFA_LOCAL') or one['attrs']['IFA_ADDRESS']}"
            f"/{one['prefixlen']}"
            for one in (decoded("ifaddrmsg", data) for data in found)
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
        known = [one for one in (gateway, source, destination) if one is not None]
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
        self.request(what, "rtmsg", NEW_ROUTE, _CREATE | _EXCL, fields)

    def add_neighbour(self, index: int, address: str, mac: str) -> None:
        """Add a fixed entry to the neighbour table of a link.

        Raises:
            NetworkError: the kernel refused it.
        """
        fields = {
            "family": _family(ipaddress.ip_address(address).version),
            "ifindex": index,
            "state": 0x80,
            "attrs": [("NDA_DST", address), ("NDA_LLADDR", mac)],
        }
        what = f"add the neighbour {address}"
        self.request(what, "ndmsg", NEW_NEIGH, _CREATE | _REPLACE, fields)

    def traffic(
        self, what: str, kind: int, fields: Mapping[str, Any], attrs: Attributes
    ) -> None:
        """Add a queueing discipline or a filter (tc(8)).

        Raises:
            NetworkError: the kernel refused it.
        """
        full = {**fields, "attrs": attrs}
        self.request(what, "tcmsg", kind, _CREATE | _EXCL, full)

    def _link(
        self, what: str, kind: int, flags: int, fields: Mapping[str, Any]
    ) -> list[bytes]:
        return self.request(what, "ifinfmsg", kind, flags, fields)


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
