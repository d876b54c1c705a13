# SPDX-License-Identifier: Apache-2.0
"""Masked and read-only paths."""

from __future__ import annotations

from libcontainer.config import DEFAULT_MASKED_PATHS, Config, MountAttr
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.mounts import MountPlanner
from libcontainer.plan.record import NONE
from libcontainer.plan.sources import Sources

_MASK_ATTRIBUTES = (
    MountAttr.RDONLY | MountAttr.NOSUID | MountAttr.NODEV | MountAttr.NOEXEC
)
_MASK_OPTIONS = ("mode=0555", "nr_inodes=2", "size=4k")
_NULL = (1, 3)


class MaskPlanner:
    """Adds the steps that hide masked paths and protect read-only ones."""

    def __init__(self, builder: Builder, config: Config) -> None:
        self._builder = builder
        self._config = config
        self._null = NONE

    def open_sources(self, sources: Sources) -> None:
        """Open what files are hidden by."""
        if self._config.masked_paths:
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
            empty = self._builder.slot("empty")
            self._builder.init(
                ops.MakeFs(
                    empty, "tmpfs", _MASK_OPTIONS, int(_MASK_ATTRIBUTES), "masked paths"
                )
            )
            for path in paths:
                self._builder.init(
                    ops.Mask(path, empty, self._null, *mounts.base_of(path))
                )
        for path in self._config.readonly_paths:
            self._builder.init(ops.Readonly(path, *mounts.base_of(path)))
