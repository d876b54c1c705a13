# SPDX-License-Identifier: Apache-2.0
"""Checks of mounts and of masked and read-only paths."""

from __future__ import annotations

from typing import Final

from libcontainer.config.model import Config
from libcontainer.config.mounts import Mount, MountAttr, Propagation
from libcontainer.config.namespaces import NamespaceType
from libcontainer.config.report import Report, join
from libcontainer.config.rules import absolute_path, container_path, mount_destination
from libcontainer.validate.namespaces import has_namespace, is_joined
from libcontainer.validate.options import TYPES, check_options

# The kernel mounts these only for who owns the namespace that they show.
_SHOWN_NAMESPACE: Final = {
    "proc": NamespaceType.PID,
    "sysfs": NamespaceType.NETWORK,
    "mqueue": NamespaceType.IPC,
}

_ALL_ATTRIBUTES: Final = sum(MountAttr)
_TWO_TIMES: Final = int(MountAttr.NOATIME | MountAttr.STRICTATIME)


def check_base_mounts(config: Config, report: Report) -> None:
    """Check the standard mounts."""
    _check_list(config.base_mounts, report, "base_mounts")


def check_mounts(config: Config, report: Report) -> None:
    """Check the further mounts."""
    _check_list(config.mounts, report, "mounts")


def check_mounts_in_user_namespace(config: Config, report: Report) -> None:
    """Check that a user namespace comes with the namespaces its mounts show.

    Who joins a user namespace may own others that it joins; who makes one does not.
    """
    joins_user = is_joined(config, NamespaceType.USER)
    if not has_namespace(config, NamespaceType.USER):
        return
    lists = (("base_mounts", config.base_mounts), ("mounts", config.mounts))
    for name, mounts in lists:
        # What is wrong with the list itself has been reported already.
        for path, mount in Report().items(name, mounts):
            kind: object = getattr(mount, "type", None)
            shown = _SHOWN_NAMESPACE.get(kind) if isinstance(kind, str) else None
            if shown is None:
                continue
            foreign = is_joined(config, shown) and not joins_user
            if foreign or not has_namespace(config, shown):
                report.add(
                    join(path, "type"),
                    f"{kind!r} in a user namespace needs a {shown.value!r}"
                    " namespace of its own",
                )


def check_masked_paths(config: Config, report: Report) -> None:
    """Check the paths that are hidden."""
    for path, value in report.items("masked_paths", config.masked_paths, "paths"):
        container_path(report, path, value)


def check_readonly_paths(config: Config, report: Report) -> None:
    """Check the paths that are read-only."""
    for path, value in report.items("readonly_paths", config.readonly_paths, "paths"):
        container_path(report, path, value)


def _check_list(mounts: object, report: Report, name: str) -> None:
    for path, value in report.items(name, mounts, "Mount"):
        mount = report.instance(path, value, Mount)
        if mount is not None:
            _check_mount(mount, report, path)


def _check_mount(mount: Mount, report: Report, path: str) -> None:
    kind = report.word(join(path, "type"), mount.type, TYPES)
    mount_destination(report, join(path, "destination"), mount.destination, kind)
    _check_source(mount, report, join(path, "source"))
    _check_attributes(mount, report, join(path, "attrs"))
    check_options(report, join(path, "data"), kind, mount.data)
    recursive = report.boolean(join(path, "recursive"), mount.recursive)
    if recursive and kind != "bind":
        report.add(join(path, "recursive"), "is only for a bind")
    report.instance(join(path, "propagation"), mount.propagation, Propagation)


def _check_source(mount: Mount, report: Report, path: str) -> None:
    if mount.type == "bind":
        if mount.source is None:
            report.add(path, "is needed for a bind")
        else:
            absolute_path(report, path, mount.source)
    elif mount.source is not None:
        report.line(path, mount.source)


def _check_attributes(mount: Mount, report: Report, path: str) -> None:
    attrs = report.instance(path, mount.attrs, MountAttr)
    if attrs is None:
        return
    bits = int(attrs)
    unknown = bits & ~_ALL_ATTRIBUTES
    if unknown:
        report.add(path, f"has unknown bits: {unknown:#x}")
    if bits & _TWO_TIMES == _TWO_TIMES:
        report.add(path, "NOATIME and STRICTATIME exclude each other")
