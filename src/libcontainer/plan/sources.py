# SPDX-License-Identifier: Apache-2.0
"""Host paths of a plan: each opened once, before the image is visible."""

from __future__ import annotations

from libcontainer.plan.builder import Builder
from libcontainer.plan.facts import Facts
from libcontainer.plan.namespaces import MS_PRIVATE
from libcontainer.plan.ops import CloneTree
from libcontainer.plan.steps import OpenPath, OpenTree


class Sources:
    """Mount trees of the host, as slots.

    A privileged caller clones each tree itself. Any other has the helper do it
    in the new mount namespace, where it has the right to; the caller's fd then
    only tells which inode it must be.
    """

    def __init__(self, builder: Builder, facts: Facts) -> None:
        self._builder = builder
        self._privileged = facts.privileged
        self._pending: list[CloneTree] = []

    def tree(
        self,
        host_path: str,
        *,
        attributes: int = 0,
        propagation: int = MS_PRIVATE,
        recursive: bool = False,
        device: tuple[int, int] | None = None,
    ) -> int:
        """Return the slot of the mount tree at *host_path*."""
        slot = self._builder.slot(host_path, given=True)
        if self._privileged:
            self._builder.host(
                OpenTree(slot, host_path, attributes, propagation, recursive, device)
            )
            return slot
        self._builder.host(OpenPath(slot, host_path, device))
        self._pending.append(
            CloneTree(slot, host_path, attributes, propagation, recursive)
        )
        return slot

    def clone_pending(self) -> None:
        """Add the operations that clone what the caller could not."""
        for op in self._pending:
            self._builder.init(op)
        self._pending.clear()
