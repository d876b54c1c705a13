# SPDX-License-Identifier: Apache-2.0
"""One nftables table a container: translation, published ports, what may leave.

The table is made, and removed, by one call of nft(8) each, which takes all of
it or nothing. It names the host's end of the pair, so it is about nobody else.
"""

from __future__ import annotations

import errno
import ipaddress
import json
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any, Final

from libcontainer.config.network import Port, Veth
from libcontainer.errors import NetworkError, UnsupportedError
from libcontainer.network.shaping import burst_of

_FAMILY: Final = "inet"
_SECONDS: Final = 20
_ACCEPT: Final = {"accept": None}
_DROP: Final = {"drop": None}
_NEIGHBOURS: Final = ("fe80::/10", "ff02::/16")

Statement = dict[str, Any]


def add_table(table: str, link: str, network: Veth) -> None:
    """Make a container's table.

    Raises:
        NetworkError: nft refused it; nothing of the table is there.
        UnsupportedError: there is no nft.
    """
    commands = table_commands(table, link, network)
    _nft(f"make the nftables table {table!r}", commands)


def remove_table(table: str) -> None:
    """Remove a container's table; one that is not there is no error.

    Raises:
        NetworkError: nft refused it.
    """
    # To add what is there changes nothing, and makes the removal always right.
    commands = [
        {verb: {"table": {"family": family, "name": table}}}
        for family in (_FAMILY, "netdev")
        for verb in ("add", "delete")
    ]
    _nft(f"remove the nftables table {table!r}", commands)


def make_lock(table: str) -> None:
    """Make a table that lets nothing in or out, until `remove_table`.

    What stays within, on ``lo``, passes: CRIU tries TCP there before it begins.

    Raises:
        NetworkError: nft refused it; nothing of the table is there.
        UnsupportedError: there is no nft.
    """
    commands: list[Statement] = [{"add": {"table": {"family": _FAMILY, "name": table}}}]
    for hook in ("input", "output"):
        place = {"family": _FAMILY, "table": table, "name": hook}
        rule = {"type": "filter", "hook": hook, "prio": -400, "policy": "drop"}
        commands.append({"add": {"chain": {**place, **rule}}})
        key = "iifname" if hook == "input" else "oifname"
        inside = {"match": {"op": "==", "left": {"meta": {"key": key}}, "right": "lo"}}
        chain = {"family": _FAMILY, "table": table, "chain": hook}
        commands.append(
            {"add": {"rule": {**chain, "expr": [inside, {"accept": None}]}}}
        )
    _nft(f"make the nftables table {table!r}", commands)


def table_commands(table: str, link: str, network: Veth) -> list[Statement]:
    """Return the commands that make a table; pure (libnftables-json(5))."""
    made = _Table(table)
    if network.masquerade:
        _masquerade(made, network)
    if network.ports:
        _publish(made, network)
    if network.egress is not None or network.egress_rate is not None:
        _restrict(made, link, network)
    return made.commands


class _Table:
    def __init__(self, name: str) -> None:
        self.name = name
        self.commands: list[Statement] = []
        self._add("table", name=name)

    def chain(self, name: str, kind: str, hook: str, priority: int) -> None:
        self._add(
            "chain",
            table=self.name,
            name=name,
            type=kind,
            hook=hook,
            prio=priority,
            policy="accept",
        )

    def rule(self, chain: str, *statements: Statement) -> None:
        self._add("rule", table=self.name, chain=chain, expr=list(statements))

    def _add(self, what: str, **fields: Any) -> None:  # noqa: ANN401 - JSON
        self.commands.append({"add": {what: {"family": _FAMILY, **fields}}})


def _match(left: Any, right: Any, how: str = "==") -> Statement:  # noqa: ANN401
    return {"match": {"op": how, "left": left, "right": right}}


def _meta(key: str) -> Statement:
    return {"meta": {"key": key}}


def _payload(protocol: str, field: str) -> Statement:
    return {"payload": {"protocol": protocol, "field": field}}


def _ip(address: str) -> str:
    return "ip6" if ":" in address else "ip"


def _prefix(network: str) -> Statement:
    found = ipaddress.ip_network(network, strict=False)
    text = str(found.network_address)
    return {"prefix": {"addr": text, "len": found.prefixlen}}


def _masquerade(table: _Table, network: Veth) -> None:
    table.chain("postrouting", "nat", "postrouting", 100)
    for address in network.addresses:
        own = str(ipaddress.ip_interface(address).ip)
        family = _ip(address)
        table.rule(
            "postrouting",
            _match(_payload(family, "saddr"), own),
            _match(_payload(family, "daddr"), _prefix(address), "!="),
            {"masquerade": None},
        )


def _publish(table: _Table, network: Veth) -> None:
    table.chain("prerouting", "nat", "prerouting", -100)
    table.chain("output", "nat", "output", -100)
    for port in network.ports:
        for address in network.addresses:
            own = str(ipaddress.ip_interface(address).ip)
            if port.address is not None and _ip(port.address) != _ip(own):
                continue
            for chain in ("prerouting", "output"):
                table.rule(chain, *_translate(port, own, local=chain == "output"))


def _translate(port: Port, own: str, *, local: bool) -> Sequence[Statement]:
    family = _ip(own)
    kind = {"fib": {"result": "type", "flags": ["daddr"]}}
    protocol = "ipv6" if family == "ip6" else "ipv4"
    rule = [_match(_meta("nfproto"), protocol), _match(kind, "local")]
    if (
        port.address is not None
        and not ipaddress.ip_address(port.address).is_unspecified
    ):
        rule.append(_match(_payload(family, "daddr"), port.address))
    elif local:
        # What is sent to 127.0.0.1 cannot leave by another link.
        loopback = "::1" if family == "ip6" else _prefix("127.0.0.0/8")
        rule.append(_match(_payload(family, "daddr"), loopback, "!="))
    rule.append(_match(_payload(port.protocol, "dport"), port.host))
    to = {"family": family, "addr": own, "port": port.container}
    return (*rule, {"dnat": to})


def _restrict(table: _Table, link: str, network: Veth) -> None:
    # In the ingress hook of the link itself nothing gets around it: no other port
    # of the bridge, no protocol besides IP, not the host.
    allowed = network.egress
    _command(table, "table", name=table.name)
    _command(
        table,
        "chain",
        table=table.name,
        name="out",
        type="filter",
        hook="ingress",
        dev=link,
        prio=0,
        policy="accept" if allowed is None else "drop",
    )
    rules: list[tuple[Statement, ...]] = []
    if network.egress_rate is not None:
        rules.append((_over(network.egress_rate), _DROP))
    if allowed is not None:
        rules += _allow(allowed, network.addresses)
    for rule in rules:
        _command(table, "rule", table=table.name, chain="out", expr=list(rule))


def _allow(
    allowed: Sequence[str], addresses: Sequence[str]
) -> Iterator[tuple[Statement, ...]]:
    yield (_match(_meta("protocol"), "arp"), _ACCEPT)
    if any(":" in network for network in allowed):
        # Neighbours of IPv6 are found by ICMPv6. What is sent elsewhere in its form
        # would be passed on by the host as anything is.
        solicit = {"set": ["nd-neighbor-solicit", "nd-neighbor-advert"]}
        form = _match(_payload("icmpv6", "type"), solicit)
        for local in (*_NEIGHBOURS, *(one for one in addresses if ":" in one)):
            to = _match(_payload("ip6", "daddr"), _prefix(local))
            yield (to, _match(_payload("ip6", "hoplimit"), 255), form, _ACCEPT)
    for network in allowed:
        to = _payload(_ip(network), "daddr")
        yield (_match(to, _prefix(network)), _ACCEPT)


def _over(rate: int) -> Statement:
    return {
        "limit": {
            "rate": rate,
            "rate_unit": "bytes",
            "per": "second",
            "burst": burst_of(rate),
            "burst_unit": "bytes",
            "inv": True,
        }
    }


def _command(made: _Table, what: str, **fields: Any) -> None:  # noqa: ANN401 - JSON
    made.commands.append({"add": {what: {"family": "netdev", **fields}}})


def _nft(what: str, commands: Sequence[Statement]) -> None:
    text = json.dumps({"nftables": list(commands)})
    try:
        done = subprocess.run(
            ["nft", "-j", "-f", "-"],
            input=text,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        need = "the program nft, of the package nftables"
        raise UnsupportedError(what, need) from error
    except subprocess.TimeoutExpired as error:
        raise NetworkError(errno.ETIMEDOUT, what) from error
    if done.returncode:
        said = done.stderr.strip().replace("\n", " ")
        raise NetworkError(errno.EINVAL, what, hint=f"nft says: {said}")
