# SPDX-License-Identifier: Apache-2.0
"""Descriptions of devices by their name, and what they make of a configuration."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeVar

from attrs import evolve, frozen

from libcontainer.cdi.spec import DeviceNode, Edits, Spec, parse_spec
from libcontainer.config import Config, Device, DeviceRule, Hook, Mount
from libcontainer.config.hooks import AnyHook
from libcontainer.config.strict_json import parse_strict_json
from libcontainer.errors import ConfigError, Problem
from libcontainer.host.devices import host_device

T = TypeVar("T")

FOLDERS: Final = ("/etc/cdi", "/var/run/cdi")
"""Where descriptions are; those of a later folder go before those of an earlier."""

_MAX_BYTES: Final = 16 * 1024 * 1024


@frozen
class Registry:
    """The devices of some descriptions.

    Attributes:
        specs: the descriptions; of two that have a device of the same name the later
            one counts.
    """

    specs: tuple[Spec, ...] = ()

    def names(self) -> tuple[str, ...]:
        """Return the full name of every device, ``VENDOR/CLASS=NAME``, sorted."""
        return tuple(sorted(self._by_name()))

    def apply(
        self,
        config: Config,
        names: Iterable[str],
        nodes: Mapping[str, Device] | None = None,
    ) -> Config:
        """Return *config* with what devices need.

        Nothing is looked up or changed on the host where *nodes* has the devices.

        Args:
            config: what the container is.
            names: full names of devices, ``VENDOR/CLASS=NAME``; ``=all`` is every
                device of a kind.
            nodes: devices of the host by their path there; None looks them up.

        Returns:
            A changed copy. A device, a mount or a variable that *config* has already
            under the same path or name is replaced.

        Raises:
            ConfigError: a name that no description has, or a device that is not
                there; all of them at once.
        """
        problems: list[Problem] = []
        edits = list(self._edits_of(names, problems))
        changed = config
        for edit in edits:
            changed = _apply(changed, edit, nodes, problems)
        if problems:
            raise ConfigError(problems)
        return changed

    def _by_name(self) -> dict[str, tuple[Spec, Edits]]:
        return {
            f"{spec.kind}={name}": (spec, edits)
            for spec in self.specs
            for name, edits in spec.devices.items()
        }

    def _edits_of(
        self, names: Iterable[str], problems: list[Problem]
    ) -> Iterator[Edits]:
        known = self._by_name()
        used: list[Spec] = []
        for name in dict.fromkeys(self._expanded(names, known)):
            if name not in known:
                have = ", ".join(sorted(known)) or "there are none"
                problems.append(Problem("devices", f"no device {name!r}: {have}"))
                continue
            spec, edits = known[name]
            if spec not in used:
                used.append(spec)
                yield spec.edits
            yield edits

    @staticmethod
    def _expanded(names: Iterable[str], known: Iterable[str]) -> Iterator[str]:
        for name in names:
            kind, _, device = name.rpartition("=")
            every = [full for full in known if full.startswith(f"{kind}=")]
            yield from every if device == "all" and every else [name]


def read_registry(folders: Iterable[str] = FOLDERS) -> Registry:
    """Return the registry of the description files of some directories.

    Args:
        folders: host paths; one that is not there is passed over.

    Raises:
        ConfigError: a file is not a description; all problems of it.
        OSError: a file cannot be read.

    Files end in ``.json``. One in YAML has to be written as JSON first:
    ``nvidia-ctk cdi generate --format=json``.
    """
    specs = []
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))
        except FileNotFoundError:
            continue
        for name in names:
            if name.endswith(".json"):
                path = f"{folder}/{name}"
                with open(path, "rb") as file:
                    data = file.read(_MAX_BYTES + 1)
                if len(data) > _MAX_BYTES:
                    raise ConfigError([Problem(path, "is larger than 16 MiB")])
                specs.append(parse_spec(parse_strict_json(data, path), path))
    return Registry(tuple(specs))


def _apply(
    config: Config,
    edits: Edits,
    nodes: Mapping[str, Device] | None,
    problems: list[Problem],
) -> Config:
    pairs = (text.partition("=") for text in edits.env)
    env = {**dict(config.env), **{name: value for name, _, value in pairs}}
    devices = {device.path: device for device in config.devices}
    rules = list(config.resources.devices)
    for node in edits.device_nodes:
        device = _device(node, nodes, problems)
        if device is not None:
            devices[device.path] = device
            rules += _rules(device, node.access)
    groups = config.additional_groups
    if edits.additional_gids:
        groups = tuple(dict.fromkeys((*(groups or ()), *edits.additional_gids)))
    return evolve(
        config,
        env=env,
        devices=tuple(devices.values()),
        mounts=_mounts(config.mounts, edits),
        hooks=evolve(config.hooks, **_hooks(config, edits)),
        additional_groups=groups,
        resources=evolve(config.resources, devices=tuple(rules)),
    )


def _device(
    node: DeviceNode, nodes: Mapping[str, Device] | None, problems: list[Problem]
) -> Device | None:
    known = None
    if node.type is None or (node.type != "p" and node.major is None):
        known = _look_up(node, nodes, problems)
        if known is None:
            return None
    base = known or Device(node.path, "c")
    return Device(
        path=node.path,
        type=_first(node.type, base.type),
        major=_first(node.major, base.major),
        minor=_first(node.minor, base.minor),
        mode=_first(node.mode, base.mode),
        uid=_first(node.uid, base.uid),
        gid=_first(node.gid, base.gid),
    )


def _first(said: T | None, found: T) -> T:
    return found if said is None else said


def _look_up(
    node: DeviceNode, nodes: Mapping[str, Device] | None, problems: list[Problem]
) -> Device | None:
    try:
        return host_device(node.host_path) if nodes is None else nodes[node.host_path]
    except (OSError, ValueError, KeyError) as error:
        text = f"the host's {node.host_path!r} cannot be used: {error}"
        problems.append(Problem(f"devices[{node.path}]", text))
        return None


def _rules(device: Device, access: str) -> list[DeviceRule]:
    if device.type == "p":
        return []
    kind = "c" if device.type == "u" else device.type
    rule = DeviceRule(
        allow=True, type=kind, major=device.major, minor=device.minor, access=access
    )
    return [rule]


def _mounts(before: tuple[Mount, ...], edits: Edits) -> tuple[Mount, ...]:
    made = tuple(
        Mount.from_options(edit.type, edit.host_path, edit.container_path, edit.options)
        for edit in edits.mounts
    )
    replaced = {mount.destination for mount in made}
    return (*(m for m in before if m.destination not in replaced), *made)


def _hooks(config: Config, edits: Edits) -> dict[str, tuple[AnyHook, ...]]:
    found: dict[str, tuple[AnyHook, ...]] = {}
    for edit in edits.hooks:
        hook = Hook(edit.path, edit.args, edit.env, edit.timeout)
        before = found.get(edit.kind, getattr(config.hooks, edit.kind))
        found[edit.kind] = (*before, hook)
    return found
