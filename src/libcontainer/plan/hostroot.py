# SPDX-License-Identifier: Apache-2.0
"""The host's own root under throw-away layers, for an unprivileged caller.

Overlayfs takes no layer with mounts beneath it that a user namespace may not
uncover, and ``/`` always has such. Its directories are taken one by one: each
becomes a layer of its own; one with mounts beneath is bound, read-only.
"""

from __future__ import annotations

from libcontainer.config import Config, MountAttr, Overlay
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.facts import Facts, RootEntry
from libcontainer.plan.sources import Sources

_ATTRIBUTES = int(MountAttr.NOSUID | MountAttr.NODEV)
_READ_ONLY = int(MountAttr.RDONLY | MountAttr.NOSUID | MountAttr.NODEV)


def is_host_root(config: Config) -> bool:
    """Tell whether the rootfs is `Overlay.host`."""
    return config.rootfs == Overlay.host()


class HostRootPlanner:
    """Adds the steps that put the host's directories under a root of our own."""

    def __init__(self, builder: Builder, facts: Facts) -> None:
        self._builder = builder
        self._entries = facts.host_root
        self._trees: dict[str, int] = {}

    def open_sources(self, sources: Sources) -> None:
        """Open every directory that is taken over."""
        for entry in self._entries:
            if entry.kind == "layer":
                self._trees[entry.name] = sources.tree(f"/{entry.name}")
            elif entry.kind == "bind":
                self._trees[entry.name] = sources.tree(
                    f"/{entry.name}", attributes=_READ_ONLY, recursive=True
                )

    def attach(self) -> int:
        """Make the root with everything in it, attach it; return its slot."""
        root = self._builder.slot("rootfs")
        self._builder.init(ops.MakeFs(root, "tmpfs", ("mode=0755",), 0, "the root"))
        for entry in self._entries:
            if entry.kind == "layer":
                self._trees[entry.name] = self._make_layer(entry)
            elif entry.kind == "link":
                self._builder.init(ops.Symlink(root, entry.name, entry.target))
            elif entry.kind == "empty":
                self._builder.init(ops.Mkdir(root, entry.name))
            elif entry.kind == "scratch":
                self._trees[entry.name] = self._make_scratch(entry)
        self._builder.init(ops.Root(root, "a root of the host's directories"))
        for entry in self._entries:
            if entry.name in self._trees:
                self._builder.init(
                    ops.Attach(
                        self._trees[entry.name],
                        f"/{entry.name}",
                        f"the host's '/{entry.name}'",
                        flags=ops.MAKE_DIRECTORY,
                    )
                )
        return root

    def _make_layer(self, entry: RootEntry) -> int:
        path = f"/{entry.name}"
        scratch = self._builder.slot(f"scratch of {path}")
        options = ("mode=0755",)
        self._builder.init(
            ops.MakeFs(scratch, "tmpfs", options, _ATTRIBUTES, f"the layer on {path}")
        )
        self._builder.init(ops.Scratch(scratch))
        slot = self._builder.slot(f"overlay of {path}")
        self._builder.init(
            ops.Overlay(
                slot=slot,
                scratch=scratch,
                lower=(self._trees[entry.name],),
                options=("userxattr",),
                layers=(path,),
            )
        )
        return slot

    def _make_scratch(self, entry: RootEntry) -> int:
        slot = self._builder.slot(f"/{entry.name}")
        options = ("mode=1777",)
        self._builder.init(
            ops.MakeFs(slot, "tmpfs", options, _ATTRIBUTES, f"/{entry.name}")
        )
        return slot
