# SPDX-License-Identifier: Apache-2.0
"""Checks of namespaces, id maps and the names of the UTS namespace."""

from __future__ import annotations

from typing import Final

from libcontainer.config.model import Config
from libcontainer.config.namespaces import IdMapping, NamespaceType
from libcontainer.config.report import Report, join
from libcontainer.config.rules import MAX_ID, host_name

_MAX_EXTENTS: Final = 340
_KINDS: Final = tuple(kind.value for kind in NamespaceType)


def has_namespace(config: Config, kind: NamespaceType) -> bool:
    """Tell whether the container has a namespace of a kind for itself."""
    kinds: object = config.namespaces
    return isinstance(kinds, frozenset) and kind in kinds


def check_namespaces(config: Config, report: Report) -> None:
    """Check for known kinds, the mount namespace among them."""
    for path, kind in report.items("namespaces", config.namespaces, "namespaces"):
        report.word(path, kind, _KINDS)
    if not has_namespace(config, NamespaceType.MOUNT):
        report.add("namespaces", "must have 'mount': this release requires it")


def check_id_mappings(config: Config, report: Report) -> None:
    """Check both id maps: there exactly with a user namespace, and exact."""
    wanted = has_namespace(config, NamespaceType.USER)
    for name in ("uid_mappings", "gid_mappings"):
        value: object = getattr(config, name)
        if not wanted and value != ():
            report.add(name, "is of no use without the user namespace")
        elif wanted and value == ():
            report.add(name, "is needed with the user namespace")
        _check_map(report, name, value)


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


def _check_map(report: Report, name: str, value: object) -> None:
    extents = report.items(name, value, "IdMapping")
    if len(extents) > _MAX_EXTENTS:
        report.add(name, f"has {len(extents)} ranges, the kernel takes {_MAX_EXTENTS}")
        return
    known = len(report.problems)
    good = [(path, _check_extent(report, path, extent)) for path, extent in extents]
    mappings = [(path, mapping) for path, mapping in good if mapping is not None]
    for side in ("container_id", "host_id"):
        _check_overlap(report, mappings, side)
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
    return mapping if is_good else None


def _check_overlap(
    report: Report, mappings: list[tuple[str, IdMapping]], side: str
) -> None:
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
