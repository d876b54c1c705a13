# SPDX-License-Identifier: Apache-2.0
"""Checks networks, routes and name files. Only loaded where a container has some."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from libcontainer.config import Config, NamespaceType
from libcontainer.config.network import (
    NETWORKS,
    Cni,
    CustomNetwork,
    Dns,
    Dummy,
    Interface,
    Ipvlan,
    Loopback,
    Macvlan,
    Neighbour,
    NetDevice,
    Pasta,
    Proxy,
    Route,
    Slirp4netns,
    Veth,
    Vlan,
)
from libcontainer.config.report import Report, show
from libcontainer.config.rules import absolute_path
from libcontainer.validate.addresses import (
    MAX_MTU,
    address_of,
    check_ports,
    interface_address,
    link_name,
    mac_of,
    network_of,
)
from libcontainer.validate.outward import (
    check_proxy,
    check_slirp4netns,
    check_user_mode,
)

_MAX_PREFIX: Final = 7
_SYSCTL: Final = re.compile(r"ipv[46]\.[a-z0-9_]+")
_DOMAIN: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})")
_OPTION: Final = re.compile(r"[a-z0-9:-]+")
_STRATEGY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_MACVLAN: Final = ("private", "vepa", "bridge", "passthru")
_IPVLAN: Final = ("l2", "l3", "l3s")
_MAX_RATE: Final = 2**32 - 1


def check_all(config: Config, report: Report) -> None:
    """Check all of a container's networks, routes and name files."""
    _Names(config, report).check()
    dns: object = config.dns
    if dns is not None and (found := report.instance("dns", dns, Dns)) is not None:
        _dns(report, found)


class _Names:
    """The networks of one container: no two links have one name."""

    def __init__(self, config: Config, report: Report) -> None:
        self.config, self.report = config, report
        self.inside: dict[str, str] = {}
        self.hosts: dict[str, str] = {}

    def check(self) -> None:
        networks = self.report.items("networks", self.config.networks)
        for path, network in networks:
            if not isinstance(network, NETWORKS):
                self.report.wrong_type(path, "a network", network)
                continue
            self._one(path, network)
        for path, route in self.report.items("routes", self.config.routes):
            found = self.report.instance(path, route, Route)
            if found is not None:
                _route(self.report, path, found)
        self._namespace(networks)
        self._only_way(networks)

    def _only_way(self, networks: list[tuple[str, object]]) -> None:
        proxies = [path for path, network in networks if isinstance(network, Proxy)]
        for path, network in networks:
            # Neither leads out, nor does a second name of what does not.
            if proxies and path != proxies[0] and type(network) not in _INWARD:
                self.report.add(path, f"is a way around the proxy {proxies[0]}")

    def _one(self, path: str, network: Any) -> None:  # noqa: ANN401
        _CHECKS.get(type(network), _nothing)(self.report, path, network)
        if isinstance(network, Interface):
            _interface(self.report, path, network)
        for names, value in (
            (self.inside, getattr(network, "name", None)),
            (self.hosts, getattr(network, "host_name", None)),
            (self.hosts, getattr(network, "device", None)),
        ):
            if isinstance(value, str) and value and "%" not in value:
                if value in names:
                    message = f"{show(value)} is the name of {names[value]} already"
                    self.report.add(path, message)
                names.setdefault(value, path)

    def _namespace(self, networks: list[tuple[str, object]]) -> None:
        config = self.config
        if not networks and not config.routes:
            return
        kind = NamespaceType.NETWORK
        where = "networks" if networks else "routes"
        spaces = config.namespaces
        if isinstance(spaces, frozenset) and kind not in spaces:
            self.report.add(where, "need the namespace 'network'")
            return
        joined = config.namespace_paths
        # A link can be moved anywhere; the rest would be two hands on one network.
        moved = all(isinstance(network, NetDevice) for _, network in networks)
        if (config.routes or not moved) and any(
            isinstance(pair, tuple) and pair[:1] == (kind,)
            for pair in (joined if isinstance(joined, tuple) else ())
        ):
            message = "cannot be set up in a network namespace that is joined"
            self.report.add(where, message)


def _nothing(report: Report, path: str, network: object) -> None:
    pass


def _interface(report: Report, path: str, link: Interface) -> None:
    if not isinstance(link, NetDevice):
        link_name(report, f"{path}.name", link.name)
    for at, address in report.items(f"{path}.addresses", link.addresses):
        interface_address(report, at, address)
    _gateways(report, f"{path}.gateways", link.gateways)
    if link.mtu not in {None, 0}:
        report.integer(f"{path}.mtu", link.mtu, 68, MAX_MTU)
    if link.mac is not None:
        mac_of(report, f"{path}.mac", link.mac)
    if link.txqueuelen is not None:
        report.integer(f"{path}.txqueuelen", link.txqueuelen, 0, 2**31 - 1)
    for at, item in report.items(f"{path}.neighbours", link.neighbours):
        neighbour = report.instance(at, item, Neighbour)
        if neighbour is not None:
            address_of(report, f"{at}.address", neighbour.address)
            mac_of(report, f"{at}.mac", neighbour.mac)
    _parameters(report, f"{path}.sysctl", link.sysctl)


def _gateways(report: Report, path: str, gateways: object) -> None:
    families = set()
    for at, gateway in report.items(path, gateways):
        found = address_of(report, at, gateway)
        if found is not None and found.version in families:
            report.add(at, f"is a second gateway of IPv{found.version}")
        families |= set() if found is None else {found.version}


def _parameters(report: Report, path: str, parameters: object) -> None:
    for at, key, value in report.pairs(path, parameters):
        name = report.text(at, key)
        if name is not None and not _SYSCTL.fullmatch(name):
            report.add(at, f"must be such as 'ipv6.accept_ra', not {show(name)}")
        report.line(at, value)


def _route(report: Report, path: str, route: Route) -> None:
    versions = _route_families(report, path, route)
    if len(versions - {None}) > 1:
        report.add(path, "mixes IPv4 and IPv6")
    if not versions:
        report.add(path, "needs a destination, a gateway or a source")
    if route.interface is not None:
        link_name(report, f"{path}.interface", route.interface)
    elif route.gateway is None:
        report.add(path, "needs a gateway or an interface")
    if route.metric is not None:
        report.integer(f"{path}.metric", route.metric, 0, 2**32 - 1)


def _route_families(report: Report, path: str, route: Route) -> set[int | None]:
    versions: set[int | None] = set()
    if route.destination is not None:
        versions.add(network_of(report, f"{path}.destination", route.destination))
    for name, value in (("gateway", route.gateway), ("source", route.source)):
        if value is not None:
            found = address_of(report, f"{path}.{name}", value)
            versions.add(None if found is None else found.version)
    return versions


def _veth(report: Report, path: str, veth: Veth) -> None:
    _veth_names(report, path, veth)
    _veth_bridge(report, path, veth)
    check_ports(report, f"{path}.ports", veth.ports)
    for name, wanted in (("ports", veth.ports), ("masquerade", veth.masquerade)):
        if wanted and not veth.addresses:
            report.add(f"{path}.{name}", "needs an address of the container")
    if veth.egress is not None:
        for at, network in report.items(f"{path}.egress", veth.egress):
            network_of(report, at, network)
    for name in ("ingress_rate", "egress_rate"):
        if getattr(veth, name) is not None:
            report.integer(f"{path}.{name}", getattr(veth, name), 1000, _MAX_RATE)


def _veth_names(report: Report, path: str, veth: Veth) -> None:
    for name in ("bridge", "host_name"):
        if getattr(veth, name) is not None:
            link_name(report, f"{path}.{name}", getattr(veth, name))
    prefix = link_name(report, f"{path}.prefix", veth.prefix)
    if prefix is not None and len(prefix) > _MAX_PREFIX:
        report.add(f"{path}.prefix", f"is longer than {_MAX_PREFIX} bytes")


def _veth_bridge(report: Report, path: str, veth: Veth) -> None:
    report.boolean(f"{path}.masquerade", veth.masquerade)
    for name in ("create_bridge", "hairpin", "isolated"):
        wanted = report.boolean(f"{path}.{name}", getattr(veth, name))
        if wanted and veth.bridge is None:
            report.add(f"{path}.{name}", "needs a bridge")
    for at, address in report.items(f"{path}.bridge_addresses", veth.bridge_addresses):
        interface_address(report, at, address)
    if veth.bridge_addresses and veth.bridge is not None and not veth.create_bridge:
        report.add(f"{path}.bridge_addresses", "need create_bridge")


def _macvlan(report: Report, path: str, link: Macvlan) -> None:
    link_name(report, f"{path}.parent", link.parent)
    report.word(f"{path}.mode", link.mode, _MACVLAN)


def _ipvlan(report: Report, path: str, link: Ipvlan) -> None:
    link_name(report, f"{path}.parent", link.parent)
    report.word(f"{path}.mode", link.mode, _IPVLAN)
    if link.mac is not None:
        report.add(f"{path}.mac", "an ipvlan has the address of its parent")


def _vlan(report: Report, path: str, link: Vlan) -> None:
    link_name(report, f"{path}.parent", link.parent)
    report.integer(f"{path}.id", link.id, 1, 4094)


def _netdevice(report: Report, path: str, link: NetDevice) -> None:
    link_name(report, f"{path}.device", link.device)
    if link.name != "":
        link_name(report, f"{path}.name", link.name, pattern=True)


def _cni(report: Report, path: str, cni: Cni) -> None:
    link_name(report, f"{path}.name", cni.name)
    for at, folder in report.items(f"{path}.path", cni.path):
        absolute_path(report, at, folder)
    for at, key, value in report.pairs(f"{path}.args", cni.args):
        report.line(at, key)
        report.line(at, value)
    at = f"{path}.conflist"
    try:
        found = json.loads(cni.conflist)
        ok = isinstance(found["name"], str) and found["plugins"] != []
        ok = ok and all(_PLUGIN.fullmatch(p["type"]) for p in found["plugins"])
    except (ValueError, KeyError, TypeError, RecursionError):
        ok = False
    if not ok:
        report.add(at, "must be a CNI list with 'name', and 'plugins' with 'type'")


_PLUGIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def _custom(report: Report, path: str, network: CustomNetwork) -> None:
    name = report.text(f"{path}.strategy", network.strategy)
    if name is not None and not _STRATEGY.fullmatch(name):
        report.add(f"{path}.strategy", f"is no name of an entry point: {show(name)}")
    for at, key, value in report.pairs(f"{path}.options", network.options):
        report.text(at, key)
        report.text(at, value)


def _dns(report: Report, dns: Dns) -> None:
    for at, server in report.items("dns.servers", dns.servers):
        address_of(report, at, server)
    for name, rule in (("search", _DOMAIN), ("options", _OPTION)):
        for at, value in report.items(f"dns.{name}", getattr(dns, name)):
            word = report.line(at, value)
            if word is not None and not rule.fullmatch(word):
                report.add(at, f"has characters that do not belong there: {show(word)}")
    for at, key, address in report.pairs("dns.hosts", dns.hosts):
        text = report.line(at, key)
        if text is not None and not _DOMAIN.fullmatch(text):
            report.add(at, f"is no name of a host: {show(text)}")
        address_of(report, at, address)


_INWARD: Final = (Loopback, Dummy)

_CHECKS: Final[dict[type[Any], Callable[[Report, str, Any], None]]] = {
    Loopback: _nothing,
    Veth: _veth,
    Macvlan: _macvlan,
    Ipvlan: _ipvlan,
    Vlan: _vlan,
    NetDevice: _netdevice,
    Cni: _cni,
    Pasta: check_user_mode,
    Slirp4netns: check_slirp4netns,
    Proxy: check_proxy,
    CustomNetwork: _custom,
}
