# SPDX-License-Identifier: Apache-2.0
"""The container's root: a directory, or an overlay of layers."""

from __future__ import annotations

import posixpath

from libcontainer.config import Config, MountAttr, NamespaceType, Overlay
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.facts import Facts
from libcontainer.plan.hooks import root_path
from libcontainer.plan.hostroot import HostRootPlanner
from libcontainer.plan.record import NONE
from libcontainer.plan.security import context
from libcontainer.plan.sources import Sources

_LAYER_ATTRIBUTES = int(MountAttr.NOSUID | MountAttr.NODEV)


class RootfsPlanner:
    """Adds the steps that bring the container's root about."""

    def __init__(self, builder: Builder, config: Config, facts: Facts) -> None:
        self._builder = builder
        self._config = config
        self._facts = facts
        self.slot = NONE
        self._host_root = HostRootPlanner(builder, facts) if facts.host_root else None
        self._layers: tuple[int, ...] = ()
        self._upper = NONE

    def open_sources(self, sources: Sources) -> None:
        """Open what the root is made of."""
        rootfs = self._config.rootfs
        if self._host_root is not None:
            self._host_root.open_sources(sources)
            return
        if not isinstance(rootfs, Overlay):
            self.slot = sources.tree(rootfs.path, recursive=True)
            return
        self._layers = tuple(sources.tree(layer) for layer in rootfs.lower)
        if rootfs.upper is not None:
            self._upper = sources.tree(_upper_base(rootfs))

    def attach(self) -> None:
        """Attach the root; paths inside are resolved beneath it from here on."""
        rootfs = self._config.rootfs
        if self._host_root is not None:
            self.slot = self._host_root.attach()
            return
        if isinstance(rootfs, Overlay):
            self._make_overlay(rootfs)
            what = "the overlay"
        else:
            what = repr(rootfs.path)
        self._builder.init(ops.Root(self.slot, what, root_path(self._config)))

    def finish(self) -> None:
        """Make the root read-only, once every mount point has been made."""
        if self._config.readonly_rootfs:
            self._builder.init(
                ops.SetAttributes(self.slot, int(MountAttr.RDONLY), "the rootfs")
            )

    def _make_overlay(self, rootfs: Overlay) -> None:
        scratch = self._builder.slot("scratch")
        size = () if rootfs.size is None else (f"size={rootfs.size}",)
        self._builder.init(
            ops.MakeFs(
                scratch, "tmpfs", ("mode=0755", *size), _LAYER_ATTRIBUTES, "the layers"
            )
        )
        self._builder.init(ops.Scratch(scratch))
        self.slot = self._builder.slot("rootfs")
        base = "" if rootfs.upper is None else _upper_base(rootfs)
        # trusted.* extended attributes belong to the host's root alone.
        in_user_namespace = NamespaceType.USER in self._config.namespaces
        userxattr = ("userxattr",) if in_user_namespace else ()
        self._builder.init(
            ops.Overlay(
                slot=self.slot,
                scratch=scratch,
                lower=self._layers,
                upper=self._upper,
                upper_path=_below(base, rootfs.upper),
                work_path=_below(base, rootfs.work),
                options=(*userxattr, *context(self._config, "overlay")),
                layers=rootfs.lower,
            )
        )


def _upper_base(rootfs: Overlay) -> str:
    # overlayfs wants upper and work on one mount, so both travel in one tree.
    return posixpath.commonpath([rootfs.upper or "/", rootfs.work or "/"])


def _below(base: str, path: str | None) -> str | None:
    return None if path is None else posixpath.relpath(path, base)
