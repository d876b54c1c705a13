# SPDX-License-Identifier: Apache-2.0
"""The container's own /dev: a tmpfs, fully populated before it is attached."""

from __future__ import annotations

import posixpath

from libcontainer.config import (
    DEFAULT_DEV_SYMLINKS,
    Config,
    Device,
    IdMapping,
    Mount,
    NamespaceType,
)
from libcontainer.errors import UnsupportedError
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.facts import Facts
from libcontainer.plan.record import NONE
from libcontainer.plan.rootfs import RootfsPlanner
from libcontainer.plan.security import context
from libcontainer.plan.sources import Sources
from libcontainer.plan.steps import MakeNode

_NULL = ("/dev/null", "c", 1, 3)
_DEV = "/dev/"
_FILE_TYPES = {"c": 0o020000, "u": 0o020000, "b": 0o060000, "p": 0o010000}


class DevicePlanner:
    """Adds the steps that make /dev.

    In a user namespace mknod(2) is refused, so the host's nodes are bound.
    """

    def __init__(self, builder: Builder, config: Config, facts: Facts) -> None:
        self._builder = builder
        self._config = config
        self._bind = NamespaceType.USER in config.namespaces or not facts.nodes
        self._bound: list[tuple[Device, int]] = []
        self._devices = [d for d in config.devices if d.path.startswith(_DEV)]

    def open_sources(self, sources: Sources) -> None:
        """Open the host's nodes, where they are bound."""
        for device in self._devices:
            if self._bind and device.type != "p":
                number = (device.major, device.minor)
                slot = sources.tree(device.path, device=number)
                self._bound.append((device, slot))

    @property
    def makes_null(self) -> bool:
        """Whether the null device is a node of our own."""
        return not self._bind and any(
            (device.path, device.type, device.major, device.minor) == _NULL
            for device in self._config.devices
        )

    def make(self, mount: Mount) -> int:
        """Make /dev as *mount* says and attach it; return its slot."""
        tree = self._builder.slot("/dev")
        source = (f"source={mount.source}",) if mount.source else ()
        options = (*mount.data, *context(self._config, "tmpfs"), *source)
        self._builder.init(ops.MakeFs(tree, "tmpfs", options, int(mount.attrs), "/dev"))
        self._make_directories(tree)
        bound = {device.path for device, _ in self._bound}
        for device in self._devices:
            if device.path not in bound:
                self._builder.init(mknod(self._builder, tree, device))
        for name, target in DEFAULT_DEV_SYMLINKS:
            self._builder.init(ops.Symlink(tree, name, target))
        flags = ops.MAKE_DIRECTORY | ops.REAL_DIRECTORY
        self._builder.init(ops.Attach(tree, "/dev", "the devices", flags=flags))
        for device, slot in self._bound:
            self._attach_node(tree, device, slot)
        return tree

    def _make_directories(self, tree: int) -> None:
        made: set[str] = set()
        for device in self._devices:
            parent = posixpath.dirname(node_name(device))
            while parent and parent not in made:
                made.add(parent)
                parent = posixpath.dirname(parent)
        for path in sorted(made):
            above = folder_of(self._builder, path)
            self._builder.init(ops.Mkdir(tree, path, parent=above))

    def _attach_node(self, tree: int, device: Device, slot: int) -> None:
        self._builder.init(
            ops.Attach(
                slot,
                node_name(device),
                f"the host's {device.path!r}",
                base=tree,
                flags=ops.MAKE_FILE,
                mode=0o666,
                base_path="/dev",
            )
        )


def plan_outside(
    builder: Builder, config: Config, facts: Facts, rootfs: RootfsPlanner
) -> None:
    """Add the steps that make the nodes outside of /dev, in what is mounted there.

    Raises:
        UnsupportedError: the caller may make no node.
    """
    outside = [d for d in config.devices if not d.path.startswith(_DEV)]
    if not outside:
        return
    if not facts.nodes or not facts.privileged:
        raise UnsupportedError("a device outside of /dev", "CAP_MKNOD on the host")
    # The host finds the container's root where the helper is.
    builder.init(ops.Call("fchdir", (ops.SlotRef(rootfs.slot),), "enter the rootfs"))
    for device in outside:
        owner = (
            _on_host(config, config.uid_mappings, device.uid),
            _on_host(config, config.gid_mappings, device.gid),
        )
        mode = _FILE_TYPES[device.type] | device.mode
        builder.host(MakeNode(device.path, mode, device.major, device.minor, owner))


def _on_host(config: Config, mappings: tuple[IdMapping, ...], number: int) -> int:
    if NamespaceType.USER in config.namespaces:
        for m in mappings:
            if m.container_id <= number < m.container_id + m.size:
                return m.host_id + number - m.container_id
    return number


def node_name(device: Device) -> str:
    """Return the path of a node, relative to /dev."""
    return posixpath.relpath(device.path, "/dev")


def folder_of(builder: Builder, path: str) -> int:
    """Return the slot of the directory above a path of /dev, `NONE` for /dev itself."""
    folder = posixpath.dirname(path)
    return builder.slot(f"/dev/{folder}") if folder else NONE


def mknod(builder: Builder, tree: int, device: Device) -> ops.Mknod:
    """Return the operation that makes a node in the tree of /dev."""
    return ops.Mknod(
        tree,
        node_name(device),
        _FILE_TYPES[device.type] | device.mode,
        device.major,
        device.minor,
        (device.uid, device.gid),
        folder_of(builder, node_name(device)),
    )
