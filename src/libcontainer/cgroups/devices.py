# SPDX-License-Identifier: Apache-2.0
"""Which devices a container may use, as rules. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from libcontainer.config.devices import Device
from libcontainer.config.resources import DeviceRule

DEFAULT_RULES: Final = (
    DeviceRule(allow=True, type="c", access="m"),
    DeviceRule(allow=True, type="b", access="m"),
    *(
        DeviceRule(allow=True, type="c", major=major, minor=minor)
        for major, minor in ((1, 3), (1, 8), (1, 7), (5, 0), (1, 5), (1, 9))
    ),
    DeviceRule(allow=True, type="c", major=136),
    DeviceRule(allow=True, type="c", major=5, minor=2),
)
"""The standard nodes and terminals; making a node is allowed, using it is not."""


def default_rules(devices: Iterable[Device]) -> tuple[DeviceRule, ...]:
    """Return the rules that every container begins with.

    Args:
        devices: nodes of its /dev, which are allowed.
    """
    own = (
        DeviceRule(
            allow=True,
            type="b" if device.type == "b" else "c",
            major=device.major,
            minor=device.minor,
        )
        for device in devices
        if device.type != "p"
    )
    return tuple(dict.fromkeys((*DEFAULT_RULES, *own)))


def v1_rules(rules: Iterable[DeviceRule]) -> tuple[tuple[bool, str], ...]:
    """Return (allow, text) of each write that adds *rules*, in order."""
    return tuple((rule.allow, _v1_text(rule)) for rule in rules)


def _v1_text(rule: DeviceRule) -> str:
    if rule.type == "a":
        return "a"
    return f"{rule.type} {_number(rule.major)}:{_number(rule.minor)} {rule.access}"


def _number(value: int | None) -> str:
    return "*" if value is None else str(value)
