# SPDX-License-Identifier: Apache-2.0
"""Overlays: the container's root, or a mount of type ``overlay``."""

from __future__ import annotations

import posixpath

from libcontainer.config import Config, MountAttr, NamespaceType, Overlay
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.change import ATTR_IDMAP, MS_PRIVATE, Change
from libcontainer.plan.record import NONE
from libcontainer.plan.security import context
from libcontainer.plan.sources import PRIVATE, Sources

_LAYER_ATTRIBUTES = int(MountAttr.NOSUID | MountAttr.NODEV)


class OverlayPlanner:
    """Adds the steps that make one overlay.

    Its layers are attached in a scratch tree of its own, below the container's
    root-to-be, and named relative to it: no host path is ever part of an option.
    """

    def __init__(  # noqa: PLR0917
        self,
        builder: Builder,
        config: Config,
        overlay: Overlay,
        name: str,
        options: tuple[str, ...] = (),
        attributes: int = 0,
    ) -> None:
        self._builder = builder
        self._overlay = overlay
        self._name = name
        self._attributes = attributes
        # trusted.* extended attributes belong to the host's root alone.
        in_user_namespace = NamespaceType.USER in config.namespaces
        own: tuple[str, ...] = ("userxattr",) if in_user_namespace else ()
        if not any(word.startswith("context=") for word in options):
            own += context(config, "overlay")
        self._options = tuple(dict.fromkeys((*own, *options)))
        self._layers: tuple[int, ...] = ()
        self._upper = NONE

    def open_sources(self, sources: Sources) -> None:
        """Open the layers."""
        overlay = self._overlay
        changes = _changes(sources.user_namespace(overlay.idmap))
        self._layers = tuple(sources.tree(layer, changes) for layer in overlay.lower)
        if overlay.upper is not None:
            self._upper = sources.tree(_upper_base(overlay), changes)

    def make(self) -> int:
        """Make the overlay, mounted nowhere yet; return its slot."""
        overlay = self._overlay
        scratch = self._builder.slot("scratch")
        size = () if overlay.size is None else (f"size={overlay.size}",)
        self._builder.init(
            ops.MakeFs(
                scratch, "tmpfs", ("mode=0755", *size), _LAYER_ATTRIBUTES, "the layers"
            )
        )
        self._builder.init(ops.Scratch(scratch))
        slot = self._builder.slot(self._name)
        base = "" if overlay.upper is None else _upper_base(overlay)
        self._builder.init(
            ops.Overlay(
                slot=slot,
                scratch=scratch,
                lower=self._layers,
                upper=self._upper,
                upper_path=_below(base, overlay.upper),
                work_path=_below(base, overlay.work),
                attributes=self._attributes,
                options=self._options,
                layers=overlay.lower,
                upper_name=overlay.upper,
            )
        )
        return slot


def _changes(user_namespace: int) -> tuple[Change, ...]:
    if user_namespace == NONE:
        return PRIVATE
    return (Change(ATTR_IDMAP, propagation=MS_PRIVATE, user_namespace=user_namespace),)


def _upper_base(overlay: Overlay) -> str:
    # overlayfs wants upper and work on one mount, so both travel in one tree.
    return posixpath.commonpath([overlay.upper or "/", overlay.work or "/"])


def _below(base: str, path: str | None) -> str | None:
    return None if path is None else posixpath.relpath(path, base)
