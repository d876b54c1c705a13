# SPDX-License-Identifier: Apache-2.0
"""Shares of caches and memory bandwidth: one step of the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from libcontainer.config import Config
from libcontainer.plan.builder import Builder

if TYPE_CHECKING:
    from libcontainer.config.rdt import IntelRdt


@frozen
class JoinRdt:
    """Put a process into its class of service (resctrl)."""

    rdt: IntelRdt

    @property
    def title(self) -> str:
        name = self.rdt.clos_id or "its own"
        return f"join the class of service {name} for caches and memory bandwidth"


def join_rdt(builder: Builder, config: Config) -> None:
    """Add the step, where a container has such a share."""
    if config.intel_rdt is not None:
        builder.stage("rdt")
        builder.host(JoinRdt(config.intel_rdt))
