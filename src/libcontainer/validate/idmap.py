# SPDX-License-Identifier: Apache-2.0
"""Checks of id-mapped mounts and roots."""

from __future__ import annotations

from libcontainer.config.model import Config
from libcontainer.config.namespaces import IdMap, IdMapping, NamespaceType
from libcontainer.config.ranges import on_the_host
from libcontainer.config.report import Report, join
from libcontainer.errors import ConfigError
from libcontainer.validate.namespaces import (
    check_overlap,
    check_ranges,
    has_namespace,
)


def check_idmap(config: Config, report: Report, path: str, value: object) -> None:
    """Check as whose files are seen; None is as on the host."""
    if value is None:
        return
    idmap = report.instance(path, value, IdMap)
    if idmap is None:
        return
    report.boolean(join(path, "recursive"), idmap.recursive)
    names = ("uid_mappings", "gid_mappings")
    for name in names:
        _check_map(config, report, join(path, name), name, getattr(idmap, name))
    if all(getattr(idmap, name) != () for name in names):
        return
    if not has_namespace(config, NamespaceType.USER):
        message = "needs mappings of users and groups, or a user namespace for them"
        report.add(path, message)


def _check_map(
    config: Config, report: Report, path: str, name: str, value: object
) -> None:
    known = len(report.problems)
    ranges = check_ranges(report, path, value)
    relative = [at for at, mapping in ranges if mapping.relative]
    if not has_namespace(config, NamespaceType.USER):
        for at in relative:
            report.add(join(at, "relative"), "needs a user namespace to be relative to")
    own = check_ranges(Report(), name, getattr(config, name))
    # Without maps of its own the container gets some later, or joins a namespace
    # that has some, and they decide.
    if relative and own and len(report.problems) == known:
        _check_resolved(report, ranges, tuple(mapping for _, mapping in own))


def _check_resolved(
    report: Report, ranges: list[tuple[str, IdMapping]], own: tuple[IdMapping, ...]
) -> None:
    found: list[tuple[str, IdMapping]] = []
    for at, mapping in ranges:
        try:
            parts = on_the_host(mapping, own) if mapping.relative else [mapping]
        except ConfigError as error:
            report.add(join(at, "host_id"), error.problems[0].message)
            continue
        found += [(at, part) for part in parts]
    check_overlap(report, found, "host_id")
