# SPDX-License-Identifier: Apache-2.0
"""The networks of a container: what is wanted, nothing of how it is made.

Each class is one strategy of `libcontainer.network`, found by its ``kind``.
Addresses are texts as ip(8) takes them: ``"10.0.0.2/24"``, ``"fd00::2/64"``.
Names of links have at most 15 bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final, TypeVar

from attrs import asdict, field, frozen

from libcontainer.config.convert import to_strings, to_texts, to_tuple

T = TypeVar("T")


def to_addresses(value: str | Iterable[str]) -> tuple[str, ...]:
    """Return addresses as a tuple; a single text is one address."""
    return (value,) if isinstance(value, str) else to_strings(value)


def to_optional_addresses(value: str | Iterable[str] | None) -> tuple[str, ...] | None:
    """Return addresses as a tuple, None as None."""
    return None if value is None else to_addresses(value)


def to_json_text(value: str | Mapping[str, Any]) -> str:
    """Return an object as JSON text; a text is that already."""
    return json.dumps(value) if isinstance(value, Mapping) else value


@frozen(kw_only=True)
class Route:
    """A route of the container, added after all of its networks are up.

    Source: ip-route(8); `routes` of the 1.2.0 ``container.json``.
    """

    destination: str | None = field(default=None)
    """Where to, ``"192.0.2.0/24"``. None: everywhere."""

    gateway: str | None = field(default=None)
    """The next hop. None: the destination is on the link itself."""

    source: str | None = field(default=None)
    """The address that what is sent this way comes from."""

    interface: str | None = field(default=None)
    """Name of the link inside. None: the one the gateway is reached by."""

    metric: int | None = field(default=None)
    """Less is preferred. None: the kernel's default."""


@frozen
class Neighbour:
    """Who has an address on a link, fixed: nobody is asked.

    Attributes:
        address: IPv4 or IPv6.
        mac: the hardware address that it is at.
    """

    address: str
    mac: str


@frozen(kw_only=True)
class Port:
    """A port of the host that leads to one of the container."""

    host: int
    """Port of the host."""

    container: int
    """Port of the container."""

    protocol: str = field(default="tcp")
    """``tcp`` or ``udp``."""

    address: str | None = field(default=None)
    """Address of the host that it is published on. None: every one."""


def to_ports(value: Iterable[Port | Mapping[str, Any]]) -> tuple[Port, ...]:
    """Return ports as a tuple; a mapping has the fields of `Port`."""
    return _made(Port, value)


def to_neighbours(
    value: Iterable[Neighbour | Mapping[str, Any]],
) -> tuple[Neighbour, ...]:
    """Return neighbours as a tuple; a mapping has the fields of `Neighbour`."""
    return _made(Neighbour, value)


def _made(kind: type[T], value: Iterable[T | Mapping[str, Any]]) -> tuple[T, ...]:
    items = to_tuple(value)
    if not isinstance(items, tuple):
        return items
    return tuple(kind(**v) if isinstance(v, Mapping) else v for v in items)


@frozen(kw_only=True)
class Interface:
    """What every link in the container may have."""

    kind: ClassVar[str] = ""

    name: str = field(default="eth0")
    """Its name inside."""

    addresses: tuple[str, ...] = field(default=(), converter=to_addresses)
    """Its addresses, each with the length of its prefix."""

    gateways: tuple[str, ...] = field(default=(), converter=to_addresses)
    """Next hop of the default route, at most one of each family."""

    mtu: int | None = field(default=None)
    """The largest packet, bytes. None or 0: the kernel's default."""

    mac: str | None = field(default=None)
    """Its hardware address. None: one of the kernel's."""

    txqueuelen: int | None = field(default=None)
    """Length of its queue, packets. None: the kernel's default."""

    neighbours: tuple[Neighbour, ...] = field(default=(), converter=to_neighbours)
    """Fixed entries of its neighbour table."""

    sysctl: tuple[tuple[str, str], ...] = field(default=(), converter=to_texts)
    """Kernel parameters of this link: ``{"ipv6.accept_ra": 0}`` is
    ``net.ipv6.conf.NAME.accept_ra``."""


@frozen(kw_only=True)
class Veth(Interface):
    """A pair of links, one end in the container and one on the host.

    Needs CAP_NET_ADMIN on the host. Source: veth(4).
    """

    kind: ClassVar[str] = "veth"

    bridge: str | None = field(default=None)
    """Bridge of the host that the host's end is a port of."""

    create_bridge: bool = field(default=False)
    """Whether the bridge is made if it is missing, and removed with the last
    container on it."""

    bridge_addresses: tuple[str, ...] = field(default=(), converter=to_addresses)
    """Addresses of a bridge that is made, or of a host end without bridge."""

    host_name: str | None = field(default=None)
    """Name of the host's end. None: `prefix` and a text made from the id."""

    prefix: str = field(default="veth")
    """How a name of the host's end begins, at most 7 bytes."""

    hairpin: bool = field(default=False)
    """Whether the bridge sends packets back to where they came from."""

    isolated: bool = field(default=False)
    """Whether containers on the bridge that are isolated cannot reach each other."""

    masquerade: bool = field(default=False)
    """Whether what leaves the bridge's networks has the host's address. The
    host must forward: ``net.ipv4.ip_forward``, ``net.ipv6.conf.all.forwarding``."""

    ports: tuple[Port, ...] = field(default=(), converter=to_ports)
    """Ports of the host that lead into the container."""

    egress: tuple[str, ...] | None = field(
        default=None, converter=to_optional_addresses
    )
    """Networks that the container may send to, and answers of which it gets;
    everything else is dropped, the host itself included. None: all."""

    ingress_rate: int | None = field(default=None)
    """Bytes a second into the container. None: no limit."""

    egress_rate: int | None = field(default=None)
    """Bytes a second out of the container, after those of one second at once;
    what is more is dropped. None: no limit."""


@frozen(kw_only=True)
class Macvlan(Interface):
    """A link with a hardware address of its own on a link of the host."""

    kind: ClassVar[str] = "macvlan"

    parent: str
    """The link of the host."""

    mode: str = field(default="bridge")
    """``private``, ``vepa``, ``bridge`` or ``passthru``."""


@frozen(kw_only=True)
class Ipvlan(Interface):
    """A link with the hardware address of a link of the host."""

    kind: ClassVar[str] = "ipvlan"

    parent: str
    """The link of the host."""

    mode: str = field(default="l2")
    """``l2``, ``l3`` or ``l3s``."""


@frozen(kw_only=True)
class Vlan(Interface):
    """One VLAN (802.1Q) of a link of the host."""

    kind: ClassVar[str] = "vlan"

    parent: str
    """The link of the host."""

    id: int
    """Number of the VLAN, 1 to 4094."""


@frozen(kw_only=True)
class Dummy(Interface):
    """A link that leads nowhere."""

    kind: ClassVar[str] = "dummy"


@frozen(kw_only=True)
class NetDevice(Interface):
    """A link of the host that moves in, and back when the container is deleted.

    It keeps its global addresses. A virtual link whose container has ended by
    itself is gone with it; the kernel gives a physical one back.
    Source: OCI ``linux.netDevices``.
    """

    kind: ClassVar[str] = "netdevice"

    device: str
    """Its name on the host."""

    name: str = field(default="")
    """Its name inside; ``eth%d`` is the first free number. Empty: as on the host."""


@frozen(kw_only=True)
class UserMode:
    """What networks have that a program of the host provides, without privilege.

    The program passes on TCP, UDP and pings by sockets of its own, as the caller's
    user. It ends with the container.
    """

    kind: ClassVar[str] = ""

    name: str = field(default="eth0")
    """Name of the link inside."""

    mtu: int | None = field(default=None)
    """The largest packet, bytes. None or 0: the program's default."""

    ports: tuple[Port, ...] = field(default=(), converter=to_ports)
    """Ports of the host that lead into the container."""

    host_loopback: bool = field(default=False)
    """Whether what listens on 127.0.0.1 of the host can be reached from inside, by
    the gateway's address."""


@frozen(kw_only=True)
class Pasta(UserMode):
    """The host's addresses and routes, by a program without privilege: pasta(1).

    The container has the addresses of the host's default route as its own. Needs
    ``/dev/net/tun``.
    """

    kind: ClassVar[str] = "pasta"


@frozen(kw_only=True)
class Slirp4netns(UserMode):
    """A network behind translation, by a program without privilege: slirp4netns(1).

    In the subnet the container is .100, its gateway .2, and .3 answers as the host's
    name server does. Needs ``/dev/net/tun``.
    """

    kind: ClassVar[str] = "slirp4netns"

    subnet: str | None = field(default=None)
    """The network, IPv4. None: ``10.0.2.0/24``."""

    ipv6: bool = field(default=False)
    """Whether there is IPv6 too; experimental, says its manual."""


@frozen(kw_only=True)
class Proxy:
    """The only way out is a proxy that goes where a list of names allows.

    The container has no link but ``lo``. On it listens a proxy (HTTP, its CONNECT,
    and SOCKS 5) that is a program of the host: it looks names up there and connects
    from there. A program inside has to ask it: see `environment`. There is no UDP.
    Needs no privilege.
    """

    kind: ClassVar[str] = "proxy"
    has_socket: ClassVar[bool] = True

    names: tuple[str, ...] = field(default=(), converter=to_addresses)
    """Names of hosts that may be reached; ``*.example.org`` is every name below."""

    networks: tuple[str, ...] = field(default=(), converter=to_addresses)
    """Networks that may be reached by address, and by an allowed name. A name
    leads to public addresses and to these, never to others of the host's site."""

    target_ports: tuple[int, ...] = field(default=(80, 443), converter=to_tuple)
    """Ports that may be reached there."""

    port: int = field(default=3128)
    """Where it listens, on 127.0.0.1 of the container."""

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which most programs find the proxy, for `Process.env`."""
        http, socks = (f"{way}://127.0.0.1:{self.port}" for way in ("http", "socks5h"))
        found = {"http_proxy": http, "https_proxy": http, "all_proxy": socks}
        return {**found, **{name.upper(): value for name, value in found.items()}}


@frozen(kw_only=True)
class Loopback:
    """``lo`` is up."""

    kind: ClassVar[str] = "loopback"


@frozen(kw_only=True)
class CustomNetwork:
    """A network of a strategy of a third party."""

    strategy: str
    """Name of its entry point in ``libcontainer.network``."""

    options: tuple[tuple[str, str], ...] = field(default=(), converter=to_texts)
    """What it is told, a mapping of texts."""

    kind: ClassVar[str] = "custom"


@frozen(kw_only=True)
class Cni:
    """A chain of CNI plugins."""

    kind: ClassVar[str] = "cni"

    conflist: str = field(converter=to_json_text)
    """The network configuration list: its JSON text, or the object."""

    name: str = field(default="eth0")
    """Name of the link inside, ``CNI_IFNAME``."""

    path: tuple[str, ...] = field(
        default=("/usr/lib/cni", "/opt/cni/bin"), converter=to_addresses
    )
    """Where plugins are, ``CNI_PATH``."""

    args: tuple[tuple[str, str], ...] = field(default=(), converter=to_texts)
    """``CNI_ARGS``, a mapping."""


@frozen(kw_only=True)
class Dns:
    """Files of the container that tell who has which name.

    They are bound over those of the image, read-only for the container.
    """

    servers: tuple[str, ...] = field(default=(), converter=to_addresses)
    """Addresses of name servers."""

    search: tuple[str, ...] = field(default=(), converter=to_addresses)
    """Domains of names without a dot."""

    options: tuple[str, ...] = field(default=(), converter=to_addresses)
    """Options, such as ``ndots:2``. Source: resolv.conf(5)."""

    hosts: tuple[tuple[str, str], ...] = field(default=(), converter=to_texts)
    """A mapping of names to addresses, for ``/etc/hosts``."""


Network = (
    Loopback
    | Veth
    | Macvlan
    | Ipvlan
    | Vlan
    | Dummy
    | NetDevice
    | Cni
    | Pasta
    | Slirp4netns
    | Proxy
    | CustomNetwork
)

NETWORKS: Final[tuple[type[Any], ...]] = (
    Loopback,
    Veth,
    Macvlan,
    Ipvlan,
    Vlan,
    Dummy,
    NetDevice,
    Cni,
    Pasta,
    Slirp4netns,
    Proxy,
    CustomNetwork,
)


def network_to_json(network: Any) -> dict[str, Any]:  # noqa: ANN401 - any of ours
    """Return a network as JSON values; ``kind`` tells its class."""
    return {"kind": network.kind, **asdict(network)}


def network_from_json(value: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Return the network that `network_to_json` wrote.

    Raises:
        KeyError, TypeError: it is not of this form.
    """
    fields = dict(value)
    kinds = {kind.kind: kind for kind in NETWORKS}
    return kinds[fields.pop("kind")](**fields)
