# SPDX-License-Identifier: Apache-2.0
"""Checks of new and joined namespaces, and of what a new one is given."""

from __future__ import annotations

from typing import Final

from libcontainer.config.model import Config
from libcontainer.config.namespaces import CLOCKS, IdMapping, NamespaceType, TimeOffset
from libcontainer.config.report import Report, join
from libcontainer.config.rootfs import Directory
from libcontainer.config.rules import MAX_ID, absolute_path, host_name

_MAX_EXTENTS: Final = 340
_KINDS: Final = tuple(kind.value for kind in NamespaceType)

# The largest number of seconds that the kernel counts in nanoseconds.
_MAX_SECONDS: Final = (2**63 - 1) // 10**9
_MAX_NANOSECONDS: Final = 10**9 - 1

# What a mount namespace that is joined already has, or cannot be given.
_OWN_MOUNTS: Final = (
    "base_mounts",
    "mounts",
    "devices",
    "masked_paths",
    "readonly_paths",
)


def has_namespace(config: Config, kind: NamespaceType) -> bool:
    """Tell whether the container has another namespace of a kind than the caller."""
    kinds: object = config.namespaces
    return isinstance(kinds, frozenset) and kind in kinds


def has_own_namespace(config: Config, kind: NamespaceType) -> bool:
    """Tell whether the container makes a namespace of a kind, and joins none."""
    return has_namespace(config, kind) and not is_joined(config, kind)


def is_joined(config: Config, kind: NamespaceType) -> bool:
    """Tell whether the container joins a namespace of a kind."""
    pairs: object = config.namespace_paths
    return isinstance(pairs, tuple) and any(
        isinstance(pair, tuple) and pair[:1] == (kind,) for pair in pairs
    )


def check_namespaces(config: Config, report: Report) -> None:
    """Check for known kinds, the mount namespace among them."""
    for path, kind in report.items("namespaces", config.namespaces, "namespaces"):
        report.word(path, kind, _KINDS)
    if not has_namespace(config, NamespaceType.MOUNT):
        report.add("namespaces", "must have 'mount': this release requires it")


def check_namespace_paths(config: Config, report: Report) -> None:
    """Check which namespaces are joined, each once and by an absolute path."""
    seen = set()
    for path, kind, value in report.pairs("namespace_paths", config.namespace_paths):
        word = report.word(path, kind, _KINDS)
        absolute_path(report, path, value)
        if word is None:
            continue
        if word in seen:
            report.add(path, f"'{word}' is there already")
        elif not has_namespace(config, NamespaceType(word)):
            report.add(path, f"'{word}' must be in namespaces too")
        seen.add(word)


def check_joined_mount_namespace(config: Config, report: Report) -> None:
    """Check that nothing is to be mounted in a mount namespace of others."""
    if not is_joined(config, NamespaceType.MOUNT):
        return
    if config.rootfs != Directory("/"):
        report.add("rootfs", "must be Directory('/'), the root of the joined mounts")
    for name in _OWN_MOUNTS:
        value: object = getattr(config, name)
        if value != ():
            report.add(name, "must be empty: the mount namespace is joined")
    if config.readonly_rootfs is True:
        report.add("readonly_rootfs", "must be false: the mount namespace is joined")


def check_id_mappings(config: Config, report: Report) -> None:
    """Check both id maps: there only with a new user namespace, and exact."""
    names = ("uid_mappings", "gid_mappings")
    empty = [name for name in names if getattr(config, name) == ()]
    for name in names:
        if name in empty:
            continue
        if not has_namespace(config, NamespaceType.USER):
            report.add(name, "is of no use without the user namespace")
        elif is_joined(config, NamespaceType.USER):
            report.add(name, "is the joined user namespace's own, and cannot be given")
        _check_map(report, name, getattr(config, name))
    is_new = not is_joined(config, NamespaceType.USER)
    if is_new and len(empty) == 1 and has_namespace(config, NamespaceType.USER):
        other = next(name for name in names if name not in empty)
        report.add(empty[0], f"is needed with {other}, or neither")


def check_time_offsets(config: Config, report: Report) -> None:
    """Check the offsets of clocks, and that there is a namespace to give them to."""
    pairs = report.pairs("time_offsets", config.time_offsets)
    seen = set()
    for path, clock, value in pairs:
        word = report.word(path, clock, CLOCKS)
        if word in seen:
            report.add(path, f"{word!r} is there already")
        seen.add(word)
        offset = report.instance(path, value, TimeOffset)
        if offset is None:
            continue
        seconds, nanoseconds = join(path, "seconds"), join(path, "nanoseconds")
        report.integer(seconds, offset.seconds, -_MAX_SECONDS, _MAX_SECONDS)
        report.integer(nanoseconds, offset.nanoseconds, 0, _MAX_NANOSECONDS)
    if not pairs:
        return
    if not has_namespace(config, NamespaceType.TIME):
        report.add("time_offsets", "needs 'time' in namespaces")
    elif is_joined(config, NamespaceType.TIME):
        report.add("time_offsets", "cannot be set: the time namespace is joined")


def check_hostname(config: Config, report: Report) -> None:
    """Check the host name."""
    _check_name(config, report, "hostname")


def check_domainname(config: Config, report: Report) -> None:
    """Check the NIS domain name."""
    _check_name(config, report, "domainname")


def _check_name(config: Config, report: Report, field: str) -> None:
    value: object = getattr(config, field)
    if value is None:
        return
    host_name(report, field, value)
    if not has_namespace(config, NamespaceType.UTS):
        report.add(field, "can be set only in a 'uts' namespace of its own")


def check_ranges(
    report: Report, name: str, value: object
) -> list[tuple[str, IdMapping]]:
    """Check the ranges of one id map; return the good ones, each with its path."""
    extents = report.items(name, value, "IdMapping")
    if len(extents) > _MAX_EXTENTS:
        report.add(name, f"has {len(extents)} ranges, the kernel takes {_MAX_EXTENTS}")
        return []
    good = [(path, _check_extent(report, path, extent)) for path, extent in extents]
    mappings = [(path, mapping) for path, mapping in good if mapping is not None]
    check_overlap(report, mappings, "container_id")
    for is_relative in (False, True):
        alike = [pair for pair in mappings if pair[1].relative is is_relative]
        check_overlap(report, alike, "host_id")
    return mappings


def _check_map(report: Report, name: str, value: object) -> None:
    known = len(report.problems)
    mappings = check_ranges(report, name, value)
    for path, mapping in mappings:
        if mapping.relative:
            report.add(join(path, "relative"), "is only for an id-mapped mount")
    if mappings and len(report.problems) == known:
        _check_root(report, name, [mapping for _, mapping in mappings])


def _check_extent(report: Report, path: str, value: object) -> IdMapping | None:
    mapping = report.instance(path, value, IdMapping)
    if mapping is None:
        return None
    size = report.integer(join(path, "size"), mapping.size, 1, MAX_ID + 1)
    is_good = size is not None
    for side in ("container_id", "host_id"):
        at = join(path, side)
        first = report.integer(at, getattr(mapping, side), 0, MAX_ID)
        if first is None:
            is_good = False
        elif size is not None and first + size - 1 > MAX_ID:
            report.add(at, f"the range of {size} ends above {MAX_ID}")
            is_good = False
    if report.boolean(join(path, "relative"), mapping.relative) is None:
        is_good = False
    return mapping if is_good else None


def check_overlap(
    report: Report, mappings: list[tuple[str, IdMapping]], side: str
) -> None:
    """Check that no two ranges, each with its path, have an id in common."""
    ranges = sorted(
        (getattr(mapping, side), mapping.size, path) for path, mapping in mappings
    )
    highest, owner = -1, ""
    for first, size, path in ranges:
        if first <= highest:
            report.add(join(path, side), f"overlaps the range of {owner}")
        if first + size - 1 > highest:
            highest, owner = first + size - 1, path


def _check_root(report: Report, name: str, mappings: list[IdMapping]) -> None:
    # The helper sets the container up as its root.
    if not is_mapped(mappings, 0):
        report.add(name, "must map container id 0")


def is_mapped(mappings: list[IdMapping], container_id: int) -> bool:
    """Tell whether an id of the container is in one of some good ranges."""
    return any(
        m.container_id <= container_id < m.container_id + m.size for m in mappings
    )
