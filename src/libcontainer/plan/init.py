# SPDX-License-Identifier: Apache-2.0
"""A first process of our own, with the program as its child."""

from __future__ import annotations

from libcontainer.config import Config
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.record import NONE
from libcontainer.plan.settings import Settings
from libcontainer.plan.steps import OpenStatus


class InitPlanner:
    """Adds its steps, if the configuration wants it."""

    def __init__(self, builder: Builder, config: Config) -> None:
        self._builder = builder
        self._wanted = config.init
        self._slot = NONE

    def open_status(self) -> None:
        """Make the pipe that tells how the program ended."""
        if self._wanted:
            self._slot = self._builder.slot("status", given=True)
            self._builder.host(OpenStatus(self._slot))

    def stay(self, settings: Settings) -> None:
        """Go on in a child, which is to become the program."""
        if self._wanted:
            terminal = self._builder.slot_of("terminal") if settings.terminal else NONE
            self._builder.init(ops.Init(self._slot, terminal))
