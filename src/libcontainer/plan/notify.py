# SPDX-License-Identifier: Apache-2.0
"""The socket at which a container says that it is ready."""

from __future__ import annotations

import struct

from libcontainer.plan import ops

_PATH = "/dev/notify"
_AF_UNIX = 1

NOTIFY_ENTRY = f"NOTIFY_SOCKET={_PATH}"
"""What a program finds the socket by (sd_notify(3))."""


def bind_notify(slot: int) -> ops.Call:
    """Give the socket in *slot* its name, in the container's own /dev.

    The helper's umask is 0, so every user of the container may write there.
    """
    address = struct.pack("=H", _AF_UNIX) + _PATH.encode() + b"\0"
    arguments = (ops.SlotRef(slot), address, len(address))
    return ops.Call("bind", arguments, f"make the socket {_PATH!r}")
