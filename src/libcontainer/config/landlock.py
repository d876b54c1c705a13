# SPDX-License-Identifier: Apache-2.0
"""Landlock: what a process takes away from itself, for good."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import field, frozen

from libcontainer.config.convert import (
    StrPath,
    to_container_path,
    to_frozenset,
    to_tuple,
)

ACCESS_FS: Final = {
    "execute": (0, 1),
    "write_file": (1, 1),
    "read_file": (2, 1),
    "read_dir": (3, 1),
    "remove_dir": (4, 1),
    "remove_file": (5, 1),
    "make_char": (6, 1),
    "make_dir": (7, 1),
    "make_reg": (8, 1),
    "make_sock": (9, 1),
    "make_fifo": (10, 1),
    "make_block": (11, 1),
    "make_sym": (12, 1),
    "refer": (13, 2),
    "truncate": (14, 3),
    "ioctl_dev": (15, 5),
}
"""Rights on files, LANDLOCK_ACCESS_FS_*: number of the bit, first ABI with it."""

ACCESS_NET: Final = {"bind_tcp": (0, 4), "connect_tcp": (1, 4)}
"""Rights on TCP ports, LANDLOCK_ACCESS_NET_*."""

SCOPES: Final = {"abstract_unix_socket": (0, 6), "signal": (1, 6)}
"""What ends at the border of the Landlock domain, LANDLOCK_SCOPE_*."""

LINUX_OF_ABI: Final = {1: "5.13", 2: "5.19", 3: "6.2", 4: "6.7", 5: "6.10", 6: "6.12"}
"""The first Linux with each ABI that this release knows."""

_READ: Final = frozenset({"execute", "read_file", "read_dir"})


def _to_words(value: Iterable[str]) -> frozenset[str]:
    return to_frozenset(value)


@frozen(cache_hash=True)
class LandlockPath:
    """Rights beneath a file or directory (LANDLOCK_RULE_PATH_BENEATH)."""

    path: str = field(converter=to_container_path)
    """Absolute container path, resolved inside the root. It must be there."""

    access: frozenset[str] = field(converter=_to_words)
    """What is allowed there: words of *handled_access_fs*. On a file the kernel
    takes ``execute write_file read_file truncate ioctl_dev`` only."""


@frozen(cache_hash=True)
class LandlockPort:
    """Rights on a TCP port (LANDLOCK_RULE_NET_PORT)."""

    port: int
    """Port, 0 to 65535; 0 is any port the kernel chooses for a bind."""

    access: frozenset[str] = field(converter=_to_words)
    """What is allowed there: words of *handled_access_net*."""


def _to_paths(value: Iterable[LandlockPath]) -> tuple[LandlockPath, ...]:
    return to_tuple(value)


def _to_ports(value: Iterable[LandlockPort]) -> tuple[LandlockPort, ...]:
    return to_tuple(value)


@frozen(kw_only=True, cache_hash=True)
class Landlock:
    """Rights that a program gives up: all it handles, but for what rules allow.

    The restriction is set before the program starts. It holds for everything the
    program starts in turn and cannot be taken back. Words are those of the kernel,
    in small letters and without their prefix. One that handles nothing restricts
    nothing. Linux 5.13; each word needs its own ABI. Source: landlock(7).
    """

    handled_access_fs: frozenset[str] = field(default=frozenset(), converter=_to_words)
    """Rights on files that are denied wherever no rule allows them."""

    handled_access_net: frozenset[str] = field(default=frozenset(), converter=_to_words)
    """Rights on TCP ports that are denied wherever no rule allows them."""

    scoped: frozenset[str] = field(default=frozenset(), converter=_to_words)
    """``abstract_unix_socket``: no connection to one outside; ``signal``: no
    signal to a process outside."""

    paths: tuple[LandlockPath, ...] = field(default=(), converter=_to_paths)
    """What is allowed on files."""

    ports: tuple[LandlockPort, ...] = field(default=(), converter=_to_ports)
    """What is allowed on TCP ports."""

    best_effort: bool = field(default=False)
    """Whether words that this kernel does not know are left out. Otherwise one of
    them is an `UnsupportedError`."""

    @staticmethod
    def filesystem(
        *,
        read_only: Iterable[StrPath] = (),
        read_write: Iterable[StrPath] = (),
        abi: int = 3,
        best_effort: bool = False,
    ) -> Landlock:
        """Return rules that leave nothing of the filesystem but some directories.

        Args:
            read_only: container directories beneath which files may be read and
                executed.
            read_write: container directories beneath which all is allowed.
            abi: which rights are denied elsewhere: all that this Landlock ABI has,
                from 1 to 5.
            best_effort: whether a kernel of a lower ABI is good enough.
        """
        rights = frozenset(
            word for word, (_, first) in ACCESS_FS.items() if first <= abi
        )
        rules = [LandlockPath(path, _READ) for path in read_only]
        rules += [LandlockPath(path, rights) for path in read_write]
        return Landlock(handled_access_fs=rights, paths=rules, best_effort=best_effort)
