# SPDX-License-Identifier: Apache-2.0
"""Kinds of namespaces, and the id maps of a user namespace."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final

from attrs import frozen

from libcontainer.config.convert import to_tuple


class NamespaceType(enum.StrEnum):
    """A kind of namespace, in the words of the OCI specification.

    Source: namespaces(7).
    """

    MOUNT = "mount"
    PID = "pid"
    NETWORK = "network"
    IPC = "ipc"
    UTS = "uts"
    USER = "user"
    CGROUP = "cgroup"
    TIME = "time"

    @property
    def clone_flag(self) -> int:
        """The kernel's CLONE_NEW* flag."""
        return _KERNEL[self][0]

    @property
    def proc_name(self) -> str:
        """The name under ``/proc/PID/ns``."""
        return _KERNEL[self][1]


_KERNEL: Final = {
    NamespaceType.MOUNT: (0x00020000, "mnt"),
    NamespaceType.PID: (0x20000000, "pid"),
    NamespaceType.NETWORK: (0x40000000, "net"),
    NamespaceType.IPC: (0x08000000, "ipc"),
    NamespaceType.UTS: (0x04000000, "uts"),
    NamespaceType.USER: (0x10000000, "user"),
    NamespaceType.CGROUP: (0x02000000, "cgroup"),
    NamespaceType.TIME: (0x00000080, "time"),
}

DEFAULT_NAMESPACES: Final = frozenset(
    {
        NamespaceType.MOUNT,
        NamespaceType.PID,
        NamespaceType.NETWORK,
        NamespaceType.IPC,
        NamespaceType.UTS,
        NamespaceType.CGROUP,
    }
)


def to_namespace(value: str) -> NamespaceType:
    """Return the kind that a word means; an unknown word passes unchanged."""
    try:
        return NamespaceType(value)
    except ValueError:
        return value  # type: ignore[return-value]  # the validator reports it


@frozen(cache_hash=True)
class IdMapping:
    """A range of ids of a user namespace and what they are on the host.

    Source: user_namespaces(7).
    """

    container_id: int
    """First id as the container sees it."""

    host_id: int
    """First id as the caller's user namespace sees it."""

    size: int
    """How many ids follow each other, at least 1."""


def to_mappings(value: Iterable[IdMapping]) -> tuple[IdMapping, ...]:
    """Return ranges as a tuple."""
    return to_tuple(value)
