# SPDX-License-Identifier: Apache-2.0
"""The operation that puts a monitor above init."""

from __future__ import annotations

import struct

from attrs import frozen

from libcontainer.plan.ops.base import Op
from libcontainer.plan.record import NONE, Record

MAX_LOGS = 32


@frozen
class Monitor(Op):
    """Go on as the child of a monitor, which stays outside of the container.

    Attributes:
        caller: slot of the socket that the caller's word comes on.
        listener: slot of the socket that others attach to.
        folder: slot of the folder of the exit record.
        log_folder: slot of the log's folder.
        source: slot of the pipe that init writes to, where it has no terminal.
        log: name of the log in that folder, then those it is moved to.
        max_size: bytes after which the log is moved; 0 is never.
    """

    KIND = 23
    MAN = "clone(2)"
    caller: int
    listener: int
    folder: int
    log_folder: int = NONE
    source: int = NONE
    log: tuple[str, ...] = ()
    max_size: int = 0

    def record(self) -> Record:
        slots = (
            self.caller,
            self.listener,
            self.folder,
            self.log_folder,
            self.source,
        )
        return Record(
            arg=self.max_size,
            strings=self.log,
            data=struct.pack("=5iI", *slots, 0),
        )

    @property
    def title(self) -> str:
        words = "go on below a monitor"
        return f"{words}, with the log {self.log[0]!r}" if self.log else words
