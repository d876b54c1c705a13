# SPDX-License-Identifier: Apache-2.0
"""The socket at which a container says that it is ready."""

from __future__ import annotations

import struct

from attrs import evolve

from libcontainer.config import Config
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.record import NONE
from libcontainer.plan.settings import Settings
from libcontainer.plan.steps import OpenNotify

_PATH = "/dev/notify"
_AF_UNIX = 1


class NotifyPlanner:
    """Adds the steps of the socket, if the configuration has one."""

    def __init__(self, builder: Builder, config: Config) -> None:
        self._builder = builder
        self._manager = config.notify_socket
        self._slot = NONE

    def open(self) -> None:
        """Reach the service manager, and open the socket, which has no name yet."""
        if self._manager is not None:
            self._slot = self._builder.slot("notify", given=True)
            self._builder.host(OpenNotify(self._slot, self._manager))

    def bind(self) -> None:
        """Give the socket its name, in the container's own /dev.

        The helper's umask is 0, so every user of the container may write there.
        """
        if self._slot == NONE:
            return
        address = struct.pack("=H", _AF_UNIX) + _PATH.encode() + b"\0"
        arguments = (ops.SlotRef(self._slot), address, len(address))
        self._builder.init(ops.Call("bind", arguments, f"make the socket {_PATH!r}"))

    def tell(self, settings: Settings) -> Settings:
        """Return the settings of a program that finds the socket (sd_notify(3))."""
        if self._slot == NONE:
            return settings
        return evolve(settings, env=(f"NOTIFY_SOCKET={_PATH}", *settings.env))
