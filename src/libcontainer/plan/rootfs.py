# SPDX-License-Identifier: Apache-2.0
"""The container's root: a directory, or an overlay of layers."""

from __future__ import annotations

import os

from attrs import evolve

from libcontainer.config import Config, MountAttr, Overlay, Propagation
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.change import (
    ATTR_IDMAP,
    MS_PRIVATE,
    MS_SLAVE,
    Change,
    change,
)
from libcontainer.plan.facts import Facts
from libcontainer.plan.hooks import root_path, starts_from_template
from libcontainer.plan.hostroot import HostRootPlanner
from libcontainer.plan.overlay import OverlayPlanner
from libcontainer.plan.record import NONE
from libcontainer.plan.sources import Sources

_MS_RDONLY = 1
_MS_MOVE = 8192
_WITHOUT_HOST = {Propagation.PRIVATE.flag, Propagation.UNBINDABLE.flag}


class RootfsPlanner:
    """Adds the steps that bring the container's root about."""

    def __init__(self, builder: Builder, config: Config, facts: Facts) -> None:
        self._builder = builder
        self._config = config
        self._facts = facts
        self.slot = NONE
        self._host_root = (
            HostRootPlanner(builder, config, facts) if facts.host_root else None
        )
        self._overlay: OverlayPlanner | None = None

    def open_sources(self, sources: Sources) -> None:
        """Open what the root is made of."""
        rootfs = self._config.rootfs
        if self._host_root is not None:
            self._host_root.open_sources(sources)
            return
        if isinstance(rootfs, Overlay):
            self._overlay = OverlayPlanner(
                self._builder, self._config, rootfs, "rootfs"
            )
            self._overlay.open_sources(sources)
            return
        namespace = sources.user_namespace(rootfs.idmap)
        recursive = rootfs.idmap is not None and rootfs.idmap.recursive
        changes = _changes(self._config.rootfs_propagation, namespace, recursive)
        self.slot = sources.tree(rootfs.path, changes, recursive=True)

    def attach(self) -> None:
        """Attach the root; paths inside are resolved beneath it from here on."""
        rootfs = self._config.rootfs
        if self._host_root is not None:
            self.slot = self._host_root.attach()
            return
        if self._overlay is not None:
            self.slot = self._overlay.make()
        what = "the overlay" if isinstance(rootfs, Overlay) else repr(rootfs.path)
        self._builder.init(ops.Root(self.slot, what, root_path(self._config)))

    def replace(self, slot: int, what: str) -> None:
        """Attach another tree on the root and take it for the root."""
        self.slot = slot
        self._builder.init(ops.Root(slot, what, root_path(self._config)))

    def enter(self) -> None:
        """Make the container's root the root of the process, and the only one."""
        if not self._config.no_pivot_root:
            self._builder.init(ops.Pivot())
            return
        self._cover_revealing()
        enter = ops.Call("fchdir", (ops.SlotRef(self.slot),), "enter the rootfs")
        self._builder.init(enter)
        if root_path(self._config) != "/":
            move = ops.Call("mount", (b".\0", b"/\0", 0, _MS_MOVE), "move it upon '/'")
            self._builder.init(move)
        self._builder.init(ops.Call("chroot", (b".\0",), "make the rootfs the root"))
        self._builder.init(ops.Call("chdir", (b"/\0",), "enter the root"))

    def _cover_revealing(self) -> None:
        """Cover every whole proc and sysfs that chroot(2) leaves in the namespace.

        While one is there, the kernel lets a user namespace in the container mount
        another, without the masks. To unmount would not do: what came with a user
        namespace is locked.
        """
        paths = self._facts.revealing
        if starts_from_template(self._config, self._facts):
            paths = (b"/proc", b"/sys")
        for path in paths:
            args = (b"none\0", path + b"\0", b"tmpfs\0", _MS_RDONLY)
            name = repr(os.fsdecode(path))
            self._builder.init(ops.Call("mount", args, f"cover {name}"))

    def finish(self) -> None:
        """Make the root what it is to be, once every mount point has been made."""
        if self._config.readonly_rootfs:
            made = change(int(MountAttr.RDONLY))
            self._builder.init(ops.SetAttributes(self.slot, made, "the rootfs"))
        word = self._config.rootfs_propagation
        # Only now: pivot_root(2) takes no shared root.
        if word.flag not in {MS_PRIVATE, MS_SLAVE}:
            made = change(0, 0, word.flag, recursive=word.is_recursive)
            self._builder.init(ops.SetAttributes(self.slot, made, "the rootfs"))


def _changes(
    word: Propagation,
    namespace: int,
    recursive_idmap: bool,  # noqa: FBT001
) -> tuple[Change, ...]:
    """Return how the tree of the host's directory becomes the root.

    It never stays a peer of the host's mount: what the container mounts is not to
    be seen there, whatever its propagation.
    """
    first = MS_PRIVATE if word.flag in _WITHOUT_HOST else MS_SLAVE
    whole = change(0, 0, first, recursive=True)
    if namespace == NONE:
        return (whole,)
    if recursive_idmap:
        return (evolve(whole, attr_set=ATTR_IDMAP, user_namespace=namespace),)
    return (whole, Change(ATTR_IDMAP, user_namespace=namespace))
