# SPDX-License-Identifier: Apache-2.0
"""Checks of id-mapped mounts and roots."""

from __future__ import annotations

from libcontainer.config.model import Config
from libcontainer.config.namespaces import IdMap, NamespaceType
from libcontainer.config.report import Report, join
from libcontainer.validate.namespaces import check_ranges, has_namespace


def check_idmap(config: Config, report: Report, path: str, value: object) -> None:
    """Check as whose files are seen; None is as on the host."""
    if value is None:
        return
    idmap = report.instance(path, value, IdMap)
    if idmap is None:
        return
    report.boolean(join(path, "recursive"), idmap.recursive)
    for name in ("uid_mappings", "gid_mappings"):
        check_ranges(report, join(path, name), getattr(idmap, name))
    if bool(idmap.uid_mappings) != bool(idmap.gid_mappings):
        report.add(path, "must have both uid_mappings and gid_mappings, or none")
    elif not idmap.uid_mappings and not has_namespace(config, NamespaceType.USER):
        report.add(path, "needs mappings, or a user namespace whose maps it takes")
