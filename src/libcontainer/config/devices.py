# SPDX-License-Identifier: Apache-2.0
"""Device nodes and links of the container's own /dev."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import field, frozen

from libcontainer.config.convert import to_container_path, to_tuple


@frozen(cache_hash=True)
class Device:
    """A node in the container's /dev.

    In a user namespace mknod(2) is refused: the host's node of the same path
    is bound instead, if it is the same device.
    """

    path: str = field(converter=to_container_path)
    """Absolute container path below /dev."""

    type: str
    """``c`` or ``u`` for a character device, ``b`` for a block device, ``p``
    for a named pipe."""

    major: int = 0
    """Major number; 0 for a pipe."""

    minor: int = 0
    """Minor number; 0 for a pipe."""

    mode: int = 0o666
    """Permissions; the umask does not take any away."""

    uid: int = 0
    """Owner, as the container sees it."""

    gid: int = 0
    """Group, as the container sees it."""

    @staticmethod
    def fuse() -> Device:
        """Return ``/dev/fuse``, by which a program serves a filesystem.

        To mount it, the program needs CAP_SYS_ADMIN in the container too. The
        host must have the module ``fuse``. Source: fuse(4).
        """
        return Device("/dev/fuse", "c", 10, 229)


def to_devices(value: Iterable[Device]) -> tuple[Device, ...]:
    """Return nodes as a tuple."""
    return to_tuple(value)


DEFAULT_DEVICES: Final = (
    Device("/dev/null", "c", 1, 3),
    Device("/dev/zero", "c", 1, 5),
    Device("/dev/full", "c", 1, 7),
    Device("/dev/random", "c", 1, 8),
    Device("/dev/urandom", "c", 1, 9),
    Device("/dev/tty", "c", 5, 0),
)

DEFAULT_DEV_SYMLINKS: Final = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
    ("core", "/proc/kcore"),
)
"""(name in /dev, what it points at) of every link that is always made."""
