# SPDX-License-Identifier: Apache-2.0
"""The container's own /dev: a tmpfs, fully populated before it is attached."""

from __future__ import annotations

import posixpath

from libcontainer.config import (
    DEFAULT_DEV_SYMLINKS,
    Config,
    Device,
    Mount,
    NamespaceType,
)
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.facts import Facts
from libcontainer.plan.record import NONE
from libcontainer.plan.security import context
from libcontainer.plan.sources import Sources

_NULL = ("/dev/null", "c", 1, 3)
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

    def open_sources(self, sources: Sources) -> None:
        """Open the host's nodes, where they are bound."""
        for device in self._config.devices:
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
        options = mount.data + context(self._config, "tmpfs")
        self._builder.init(ops.MakeFs(tree, "tmpfs", options, int(mount.attrs), "/dev"))
        self._make_directories(tree)
        bound = {device.path for device, _ in self._bound}
        for device in self._config.devices:
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
        for device in self._config.devices:
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
