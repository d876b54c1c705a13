# SPDX-License-Identifier: Apache-2.0
"""Reads the ``container.json`` of libcontainer 1.2.0 (2014).

It means what it meant then, with two exceptions: what the old reader skipped
in silence is told (as a warning, or as a problem where the container would be
less confined than asked for), and what this release cannot do yet is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from libcontainer.config.container_cgroups import (
    read_cgroups_path,
    read_resources,
    read_systemd_path,
)
from libcontainer.config.container_mounts import (
    KERNEL_FILES,
    base_mounts,
    read_bind_mounts,
    read_devices,
)
from libcontainer.config.container_networks import read_routes, read_veth
from libcontainer.config.container_reader import Reader
from libcontainer.config.container_schema import to_container_json, unknown_keys
from libcontainer.config.identity import Capabilities
from libcontainer.config.model import Config
from libcontainer.config.namespaces import NamespaceType
from libcontainer.config.report import Report, show
from libcontainer.config.resources import Resources
from libcontainer.config.rules import (
    absolute_path,
    apparmor_profile,
    capability,
    environment_entry,
    host_name,
    selinux_label,
    user,
    working_directory,
)
from libcontainer.config.strict_json import parse_strict_json
from libcontainer.errors import ConfigError

if TYPE_CHECKING:
    from libcontainer.config.network import Veth

__all__ = [
    "ContainerJson",
    "config_from_container_json",
    "parse_container_json",
    "to_container_json",
]

_NAMESPACES: Final = {
    "NEWNS": NamespaceType.MOUNT,
    "NEWUTS": NamespaceType.UTS,
    "NEWIPC": NamespaceType.IPC,
    "NEWPID": NamespaceType.PID,
    "NEWNET": NamespaceType.NETWORK,
}


@frozen
class ContainerJson:
    """A ``container.json`` that has been read."""

    config: Config
    """What it means."""

    warnings: tuple[str, ...]
    """What of it has no effect, each with its path."""

    document: Mapping[str, Any]
    """What `parse_container_json` returned."""

    @property
    def systemd_path(self) -> str | None:
        """``slice:parent:name`` if it names a slice: its cgroup under systemd."""
        return read_systemd_path(self.document.get("cgroups") or {})

    @property
    def frozen(self) -> bool:
        """Whether it is to be paused as soon as its program has begun."""
        return (self.document.get("cgroups") or {}).get("freezer") == "FROZEN"

    @property
    def terminal(self) -> bool:
        """Whether it asks for a terminal (``tty``)."""
        return self.config.terminal

    @property
    def process_defaults(self) -> dict[str, Any]:
        """Keywords of a `Process` that gets what *config* says, spelled out."""
        config = self.config
        return {
            "env": dict(config.env),
            "cwd": config.cwd,
            "user": config.user,
            "capabilities": config.capabilities,
            "no_new_privs": config.no_new_privs,
            "terminal": config.terminal,
        }


def parse_container_json(data: bytes) -> dict[str, Any]:
    """Return what a ``container.json`` holds, as JSON values.

    Args:
        data: the file, strict JSON in UTF-8.

    Raises:
        ConfigError: it is not; see `parse_strict_json`.
    """
    return parse_strict_json(data, "container.json")


def config_from_container_json(
    document: Mapping[str, Any], rootfs: str, *, strict: bool = False
) -> ContainerJson:
    """Return what a parsed ``container.json`` means.

    Args:
        document: what `parse_container_json` returned.
        rootfs: absolute host path of the container's root; the file has none.
        strict: whether unknown keys and namespaces are problems, not warnings.

    Raises:
        ConfigError: with every problem, each with its path in the file.
    """
    report, warnings = Report(), Report()
    reader = Reader("", document, report, warnings)
    unknown = report if strict else warnings
    for path in unknown_keys(document):
        unknown.add(path, "unknown key")
    config = _read(reader, rootfs, unknown)
    if report.problems:
        raise ConfigError(report.problems)
    return ContainerJson(
        config=config,
        warnings=tuple(str(problem) for problem in warnings.problems),
        document=document,
    )


def cgroup_from_json(
    cgroup: Mapping[str, Any],
) -> tuple[str | None, Resources, tuple[str, ...]]:
    """Return what the ``cgroups`` of a ``container.json`` means by itself.

    Args:
        cgroup: that object, as `parse_container_json` returns one.

    Returns:
        Its path, its limits, and warnings.

    Raises:
        ConfigError: with every problem, each with its path in the file.
    """
    report, warnings = Report(), Report()
    document = {"cgroups": cgroup}
    for key in unknown_keys(document):
        warnings.add(key, "unknown key")
    reader = Reader("", document, report, warnings).child("cgroups")
    path, resources = read_cgroups_path(reader), read_resources(reader)
    if report.problems:
        raise ConfigError(report.problems)
    return path, resources, tuple(str(problem) for problem in warnings.problems)


def _read(reader: Reader, rootfs: str, unknown: Report) -> Config:
    restricted = reader.boolean("restrict_sys")
    mounts = _mount_config(reader)
    namespaces = _namespaces(reader, unknown)
    cgroups = reader.child("cgroups")
    loopback, network, veths = _networks(reader)
    if network is not None:
        # 1.2.0 joined it, whether or not it had made one for NEWNET before.
        namespaces |= {NamespaceType.NETWORK}
    return Config(
        rootfs=rootfs,
        readonly_rootfs=mounts.boolean("readonly_fs"),
        no_pivot_root=mounts.boolean("no_pivot_root"),
        namespaces=namespaces,
        namespace_paths={} if network is None else {NamespaceType.NETWORK: network},
        hostname=_hostname(reader, namespaces),
        base_mounts=base_mounts(read_only_sys=restricted),
        mounts=read_bind_mounts(mounts),
        devices=read_devices(mounts, "device_nodes"),
        masked_paths=("/proc/kcore",) if restricted else (),
        readonly_paths=KERNEL_FILES if restricted else (),
        loopback=loopback,
        networks=veths,
        routes=read_routes(reader),
        env=_environment(reader),
        cwd=_working_directory(reader),
        user=_user(reader),
        capabilities=_capabilities(reader),
        no_new_privs=False,  # 1.2.0 did not know it
        apparmor_profile=_confinement(reader, "apparmor_profile"),
        process_label=_confinement(reader, "process_label"),
        mount_label=_confinement(mounts, "mount_label"),
        terminal=reader.boolean("tty"),
        resources=read_resources(cgroups),
        cgroups_path=read_cgroups_path(cgroups),
    )


def _mount_config(reader: Reader) -> Reader:
    if reader.get("mount_config") is None:
        reader.refuse("mount_config", "is required")
    return reader.child("mount_config")


def _confinement(reader: Reader, key: str) -> str | None:
    value = reader.text(key)
    if not value:
        return None
    rule = apparmor_profile if key == "apparmor_profile" else selinux_label
    rule(reader.report, reader.path(key), value)
    return value


def _namespaces(reader: Reader, unknown: Report) -> frozenset[NamespaceType]:
    wanted = reader.child("namespaces")
    for key in wanted.document:
        if key not in _NAMESPACES and key != "NEWUSER":
            unknown.add(wanted.path(key), "unknown namespace")
    if wanted.boolean("NEWUSER"):
        wanted.refuse(
            "NEWUSER", "cannot be used: a 1.2.0 configuration has no id maps for it"
        )
    kinds = frozenset(kind for key, kind in _NAMESPACES.items() if wanted.boolean(key))
    if NamespaceType.MOUNT not in kinds:
        wanted.refuse("NEWNS", "must be true: this release requires it")
    return kinds


def _hostname(reader: Reader, kinds: frozenset[NamespaceType]) -> str | None:
    name = reader.text("hostname")
    if not name:
        return None
    host_name(reader.report, "hostname", name)
    if NamespaceType.UTS not in kinds:
        reader.refuse("hostname", "can be set only with the namespace NEWUTS")
    return name


def _networks(reader: Reader) -> tuple[bool, str | None, list[Veth]]:
    """Return whether lo is set up, the path of a namespace to join, the links."""
    loopback, joined = False, None
    veths: list[Veth] = []
    for network in reader.children("networks"):
        kind = network.text("type")
        if kind == "loopback":
            loopback = True
            if any(network.get(key) for key in ("address", "gateway", "mtu")):
                network.warn("", "address, gateway and mtu of loopback have no effect")
        elif kind == "netns" and joined is not None:
            network.refuse("type", "'netns' is there already")
        elif kind == "netns":
            joined = network.text("ns_path")
            absolute_path(network.report, network.path("ns_path"), joined)
        elif kind == "veth":
            veths.append(read_veth(network, f"eth{len(veths)}"))
        else:
            network.refuse("type", f"must be loopback, veth or netns: {show(kind)}")
    return loopback, joined, veths


def _environment(reader: Reader) -> list[tuple[str, str]]:
    pairs = []
    for path, entry in reader.texts("environment"):
        key, equals, value = entry.partition("=")
        if equals:
            environment_entry(reader.report, path, key, value)
            pairs.append((key, value))
        else:
            reader.report.add(path, f"has no '=': {show(entry)}")
    return pairs


def _working_directory(reader: Reader) -> str:
    path = reader.text("working_dir") or "/"
    working_directory(reader.report, "working_dir", path)
    return path


def _user(reader: Reader) -> str:
    # No user was the current uid, which is 0 for whoever could make containers.
    spec = reader.text("user") or "0"
    user(reader.report, "user", spec)
    return spec


def _capabilities(reader: Reader) -> Capabilities:
    # 1.2.0 filled the inheritable set too. It stays empty (CVE-2022-24769);
    # programs that are started as root hold the same capabilities without it.
    names = []
    for path, name in reader.texts("capabilities"):
        word = next(iter(Capabilities.of(name).bounding))
        known = Report()
        capability(known, path, word)
        if known.problems:
            reader.report.add(path, f"unknown capability {show(name)}")
        names.append(name)
    return Capabilities.of(*names)
