# SPDX-License-Identifier: Apache-2.0
"""Kinds of namespaces, those that are joined, and what a new one is given."""

from __future__ import annotations

import enum
import os
from collections.abc import Iterable, Mapping
from typing import Any, Final

from attrs import field, frozen

from libcontainer.config.convert import is_iterable, to_path, to_tuple


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

    relative: bool = field(default=False)
    """Only in an `IdMap`: whether *host_id* is an id of the container instead, and
    becomes what that is on the host."""


def to_mappings(value: Iterable[IdMapping]) -> tuple[IdMapping, ...]:
    """Return ranges as a tuple."""
    return to_tuple(value)


@frozen(cache_hash=True)
class IdMap:
    """As whose the files of an id-mapped mount are seen.

    Without mappings, or for the kind of ids that has none: what belongs to 0 on the
    disk belongs to the container's user 0, and so on, by the maps of its user
    namespace.

    Needs a privileged caller, Linux 5.12 and a filesystem that can do it.
    Source: mount_setattr(2), "ID-mapped mounts".
    """

    uid_mappings: tuple[IdMapping, ...] = field(default=(), converter=to_mappings)
    """``container_id`` is the id on the disk, ``host_id`` whose it is for the host."""

    gid_mappings: tuple[IdMapping, ...] = field(default=(), converter=to_mappings)
    """The same for groups."""

    recursive: bool = field(default=False)
    """Whether the mounts below are mapped too."""


def to_namespace_paths(
    value: Mapping[str, str | os.PathLike[str]],
) -> tuple[tuple[NamespaceType, str], ...]:
    """Return a mapping of kinds to host paths as pairs, in the order of the kinds.

    What is no mapping (or no pairs) passes unchanged.
    """
    kinds = [kind.value for kind in NamespaceType]
    pairs: tuple[tuple[NamespaceType, str], ...] = _pairs(value, kinds, _joined)
    return pairs


def _joined(kind: Any, path: Any) -> tuple[Any, Any]:  # noqa: ANN401
    return to_namespace(kind) if isinstance(kind, str) else kind, to_path(path)


@frozen(cache_hash=True)
class TimeOffset:
    """How far a clock of a time namespace is ahead of the host's.

    Source: time_namespaces(7), OCI runtime-spec config-linux.md#time-namespace.
    """

    seconds: int
    """Whole seconds, negative for a clock that is behind."""

    nanoseconds: int = field(default=0)
    """Added to them, 0 to 999999999; also where *seconds* is negative."""


CLOCKS: Final = ("monotonic", "boottime")
"""The clocks that a time namespace has for itself."""


def to_time_offsets(
    value: Mapping[str, int | TimeOffset],
) -> tuple[tuple[str, TimeOffset], ...]:
    """Return a mapping of clocks to offsets as pairs; a number is of seconds."""
    pairs: tuple[tuple[str, TimeOffset], ...] = _pairs(value, list(CLOCKS), _offset)
    return pairs


def _offset(clock: Any, offset: Any) -> tuple[Any, Any]:  # noqa: ANN401
    is_number = isinstance(offset, int) and not isinstance(offset, bool)
    return clock, TimeOffset(offset) if is_number else offset


def _pairs(value: Any, order: list[str], make: Any) -> Any:  # noqa: ANN401
    # Two mappings that say the same are equal, however they were written.
    items = list(value.items()) if isinstance(value, Mapping) else value
    if not is_iterable(items):
        return value
    if not all(isinstance(item, tuple | list) and len(item) == 2 for item in items):
        return to_tuple(items)
    pairs = [make(*item) for item in items]
    known = [pair for name in order for pair in pairs if pair[0] == name]
    return (*known, *(pair for pair in pairs if pair not in known))
