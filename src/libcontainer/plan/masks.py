# SPDX-License-Identifier: Apache-2.0
"""Masked and read-only paths."""

from __future__ import annotations

from libcontainer.config import DEFAULT_MASKED_PATHS, Config, MountAttr
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.facts import Facts
from libcontainer.plan.mounts import MountPlanner
from libcontainer.plan.namespaces import begins_in_template
from libcontainer.plan.record import NONE
from libcontainer.plan.sources import Sources
from libcontainer.plan.template import EMPTY

_MASK_ATTRIBUTES = (
    MountAttr.RDONLY | MountAttr.NOSUID | MountAttr.NODEV | MountAttr.NOEXEC
)
_MASK_OPTIONS = ("mode=0555", "nr_inodes=2", "size=4k")
_NULL = (1, 3)
_AT_FDCWD = -100
_OPEN_TREE_CLONE = 1
_CLOSE_ON_EXEC = 0o2000000


class MaskPlanner:
    """Adds the steps that hide masked paths and protect read-only ones."""

    def __init__(self, builder: Builder, config: Config, facts: Facts) -> None:
        self._builder = builder
        self._config = config
        self._facts = facts
        self._null = NONE

    def open_sources(self, sources: Sources, mounts: MountPlanner) -> None:
        """Open what files are hidden by, where there will be none of our own."""
        if self._config.masked_paths and not mounts.makes_null:
            self._null = sources.tree("/dev/null", device=_NULL)

    def mask(self, mounts: MountPlanner, throttled: tuple[str, ...]) -> None:
        """Hide the masked paths, protect the read-only ones.

        Args:
            mounts: what has been mounted.
            throttled: what the default hides besides, as the host has it.
        """
        paths = self._config.masked_paths
        if paths == DEFAULT_MASKED_PATHS:
            paths += throttled
        if self._config.masked_paths:
            empty, null = self._empty(), self._null
            if mounts.makes_null:
                null = self._own_null(mounts.own_dev)
            self._builder.init(ops.VerifyNode(null, _NULL))
            for path in paths:
                self._builder.init(ops.Mask(path, empty, null, *mounts.base_of(path)))
        for path in self._config.readonly_paths:
            self._builder.init(ops.Readonly(path, *mounts.base_of(path)))

    def _empty(self) -> int:
        """Return the slot of an empty, read-only directory."""
        if begins_in_template(self._config, self._facts):
            # The helper's first root, until it pivots: a path of the image begins
            # in another.
            return self._clone("empty", _AT_FDCWD, f"/{EMPTY}", f"/{EMPTY}")
        empty = self._builder.slot("empty")
        made = ops.MakeFs(
            empty, "tmpfs", _MASK_OPTIONS, int(_MASK_ATTRIBUTES), "masked paths"
        )
        self._builder.init(made)
        return empty

    def _own_null(self, dev: int) -> int:
        """Return the slot of a mount of the null device that we have made.

        Nothing of the image was ever in its directory, and what the container's root
        does to it the host's does not feel.
        """
        return self._clone("null", ops.SlotRef(dev), "null", "/dev/null")

    def _clone(
        self, name: str, folder: int | ops.SlotRef, path: str, place: str
    ) -> int:
        slot = self._builder.slot(name)
        args = (folder, path.encode() + b"\0", _OPEN_TREE_CLONE | _CLOSE_ON_EXEC)
        what = f"clone the mount tree of {place!r}"
        self._builder.init(ops.Call("open_tree", args, what, result=slot))
        return slot
