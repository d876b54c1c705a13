# SPDX-License-Identifier: Apache-2.0
"""What a configuration writes into its cgroup, whichever version has the controllers.

Pure. Where both are mounted each limit goes to the version that has its controller.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from libcontainer.cgroups import v1, v2
from libcontainer.cgroups.device_program import device_program
from libcontainer.cgroups.devices import default_rules
from libcontainer.cgroups.writes import DeviceFilter, Write
from libcontainer.config import Config, DeviceRule, Resources
from libcontainer.errors import UnsupportedError
from libcontainer.plan.unified import UNIFIED

_NOTHING = DeviceRule(allow=False)
_ELSEWHERE = "which is not what is mounted here"


def limits(
    config: Config, paths: Mapping[str, str], added: Iterable[DeviceRule] = ()
) -> tuple[Write, ...]:
    """Return what is written into a new cgroup of *config* at *paths*.

    Args:
        config: what the container is.
        paths: host path of each directory, by hierarchy.
        added: device rules beside those of the configuration.

    Raises:
        UnsupportedError: a limit that this version of cgroups does not have.
    """
    if not paths:
        return ()
    return _writes(config.resources, paths, device_rules(config, added))


def device_rules(
    config: Config, added: Iterable[DeviceRule] = ()
) -> tuple[DeviceRule, ...]:
    """Return the rules that hold in a container, the last one first to be asked."""
    standard = default_rules(config.devices)
    return (_NOTHING, *standard, *config.resources.devices, *added)


def update_limits(
    resources: Resources, paths: Mapping[str, str], now: Mapping[str, str] | None = None
) -> tuple[Write, ...]:
    """Return what is written to change a cgroup that is in use, but for devices.

    Args:
        resources: the limits; what is None stays.
        paths: host path of each directory, by hierarchy.
        now: what the files hold, where their order depends on it.

    Raises:
        UnsupportedError: a limit that this version of cgroups does not have.
    """
    return v1.ordered(_writes(resources, paths, ()), now or {})


def changed_rules(
    rules: tuple[DeviceRule, ...],
    added: tuple[DeviceRule, ...],
    paths: Mapping[str, str],
) -> tuple[Write, ...]:
    """Return what is written to add device rules to a cgroup that is in use.

    Args:
        rules: all that are to hold, *added* among them.
        added: those that are new.
        paths: host path of each directory, by hierarchy.
    """
    if "devices" in v1_controllers(paths):
        return tuple(w for w in v1.writes(Resources(), added) if w.file != "devices")
    return (_filter(rules, added),)


def v1_controllers(paths: Mapping[str, str]) -> frozenset[str]:
    """Return the controllers that a cgroup has on v1, named hierarchies left out."""
    names = (word for name in paths for word in name.split(","))
    return frozenset(n for n in names if n != UNIFIED and not n.startswith("name="))


def _writes(
    resources: Resources, paths: Mapping[str, str], rules: tuple[DeviceRule, ...]
) -> tuple[Write, ...]:
    old = v1_controllers(paths)
    _refuse_foreign(resources, paths, old)
    if UNIFIED not in paths:
        return v1.writes(resources, rules)
    by_v1 = () if not old else v1.writes(resources, rules)
    # The same limits, of those controllers that v1 has not taken.
    taken = old | ({"io"} if "blkio" in old else set())
    return (
        *(write for write in by_v1 if write.controller in old),
        *(write for write in v2.writes(resources) if write.controller not in taken),
        *(
            ()
            if "devices" in old or not rules
            else (_filter(rules, resources.devices),)
        ),
    )


def _filter(
    rules: tuple[DeviceRule, ...], asked: tuple[DeviceRule, ...]
) -> DeviceFilter:
    optional = all(rule.allow for rule in asked)
    what = f"{len(rules)} rules"
    return DeviceFilter("cgroup", "devices", what, optional, device_program(rules))


def _refuse_foreign(
    resources: Resources, paths: Mapping[str, str], old: frozenset[str]
) -> None:
    """Refuse limits of a version that has not got their controller."""
    beside = UNIFIED in paths
    for name, controller in v1.V2_ONLY.items():
        if getattr(resources, name) in {None, ()}:
            continue
        mine = {"blkio" if controller == "io" else controller}
        if name == "unified":
            mine = {file.partition(".")[0] for file, _ in resources.unified}
        if not beside or not mine.isdisjoint(old):
            raise UnsupportedError(f"resources.{name}", f"cgroup v2, {_ELSEWHERE}")
    for name, controller in v2.V1_ONLY.items():
        if getattr(resources, name) in {None, ()} or controller in old:
            continue
        if beside:
            raise UnsupportedError(f"resources.{name}", f"cgroup v1, {_ELSEWHERE}")
