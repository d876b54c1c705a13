# SPDX-License-Identifier: Apache-2.0
"""Host paths of a plan: each opened once, before the image is visible."""

from __future__ import annotations

from libcontainer.config import Config, IdMap
from libcontainer.errors import UnsupportedError
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.change import MS_PRIVATE, Change
from libcontainer.plan.facts import Facts
from libcontainer.plan.mapping import mount_extents
from libcontainer.plan.record import NONE
from libcontainer.plan.steps import (
    Extents,
    MakeTree,
    MapNamespace,
    OpenPath,
    OpenTree,
)

PRIVATE = (Change(propagation=MS_PRIVATE),)


class Sources:
    """Mount trees of the host, as slots.

    A privileged caller clones each tree itself. Any other has the helper do it
    in the new mount namespace, where it has the right to; the caller's fd then
    only tells which inode it must be.
    """

    def __init__(self, builder: Builder, config: Config, facts: Facts) -> None:
        self._builder = builder
        joined = facts.joined_user
        self._own_maps = (
            (config.uid_mappings, config.gid_mappings)
            if joined is None
            else (joined.uids, joined.gids)
        )
        self._privileged = facts.privileged
        self._pending: list[ops.Op] = []
        self._namespaces: dict[tuple[Extents, Extents], int] = {}

    def tree(
        self,
        host_path: str,
        changes: tuple[Change, ...] = PRIVATE,
        *,
        recursive: bool = False,
        device: tuple[int, int] | None = None,
        nofollow: bool = False,
    ) -> int:
        """Return the slot of the mount tree at *host_path*."""
        slot = self._builder.slot(host_path, given=True)
        if self._privileged:
            self._builder.host(
                OpenTree(slot, host_path, changes, recursive, device, nofollow)
            )
            return slot
        self._builder.host(OpenPath(slot, host_path, device, nofollow))
        # The one operation changes all of what it clones.
        at_once = changes[:1] if changes and changes[0].recursive == recursive else ()
        first = at_once[0] if at_once else Change()
        self._pending.append(ops.CloneTree(slot, host_path, first, recursive, nofollow))
        for change in changes[len(at_once) :]:
            self._pending.append(ops.SetAttributes(slot, change, repr(host_path)))
        return slot

    def filesystem(self, fstype: str, options: tuple[str, ...], attributes: int) -> int:
        """Return the slot of a filesystem whose source is a host path.

        Raises:
            UnsupportedError: the caller has no privilege.
        """
        if not self._privileged:
            need = "a caller with CAP_SYS_ADMIN: its source is a path of the host"
            raise UnsupportedError(f"a mount of type {fstype!r}", need)
        slot = self._builder.slot(fstype, given=True)
        self._builder.host(MakeTree(slot, fstype, options, attributes))
        return slot

    def user_namespace(self, idmap: IdMap | None) -> int:
        """Return the slot of a user namespace with the maps of *idmap*, or `NONE`.

        Raises:
            UnsupportedError: the caller has no privilege.
            ConfigError: an id of the container that *idmap* names has none.
        """
        if idmap is None:
            return NONE
        if not self._privileged:
            need = "a caller with CAP_SYS_ADMIN where the filesystem was mounted"
            raise UnsupportedError("an id-mapped mount", need)
        uids, gids = self._own_maps
        maps = (
            mount_extents(idmap.uid_mappings, uids),
            mount_extents(idmap.gid_mappings, gids),
        )
        if maps not in self._namespaces:
            slot = self._builder.slot("id maps", given=True)
            self._namespaces[maps] = slot
            self._builder.host(MapNamespace(slot, *maps))
        return self._namespaces[maps]

    def clone_pending(self) -> None:
        """Add the operations that clone what the caller could not."""
        for op in self._pending:
            self._builder.init(op)
        self._pending.clear()
