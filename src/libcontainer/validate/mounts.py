# SPDX-License-Identifier: Apache-2.0
"""Checks of mounts and of masked and read-only paths."""

from __future__ import annotations

import re
from typing import Final

from libcontainer.config.model import Config
from libcontainer.config.mount_overlay import overlay_of
from libcontainer.config.mounts import EXTRAS, Mount, MountAttr, Propagation
from libcontainer.config.namespaces import NamespaceType
from libcontainer.config.report import Report, join, show
from libcontainer.config.rules import absolute_path, container_path, mount_destination
from libcontainer.validate.idmap import check_idmap
from libcontainer.validate.namespaces import has_namespace, is_joined
from libcontainer.validate.options import check_options
from libcontainer.validate.rootfs import check_overlay

# The kernel mounts these only for whoever owns the namespace that they show.
_SHOWN_NAMESPACE: Final = {
    "proc": NamespaceType.PID,
    "sysfs": NamespaceType.NETWORK,
    "mqueue": NamespaceType.IPC,
}

_ALL_ATTRIBUTES: Final = sum(MountAttr)
_TWO_TIMES: Final = int(MountAttr.NOATIME | MountAttr.STRICTATIME)
_ATTRIBUTE_FIELDS: Final = (
    ("attrs", "attrs_clear"),
    ("recursive_attrs", "recursive_attrs_clear"),
)
_TYPE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
# What they show and take is the host's, in whatever namespace they are mounted.
_WHOLE_KERNEL: Final = frozenset(
    {
        "binfmt_misc",
        "bpf",
        "configfs",
        "debugfs",
        "devtmpfs",
        "efivarfs",
        "fusectl",
        "pstore",
        "securityfs",
        "selinuxfs",
        "smackfs",
        "tracefs",
    }
)
_AT_LAUNCH: Final = frozenset({"remount", "tmpcopyup", "copy-symlink", "keep-mode"})
_ONLY_FOR: Final = {
    "tmpcopyup": "tmpfs",
    "keep-mode": "tmpfs",
    "src-nofollow": "bind",
    "copy-symlink": "bind",
}


def check_base_mounts(config: Config, report: Report) -> None:
    """Check the standard mounts."""
    _check_list(config, report, "base_mounts")


def check_mounts(config: Config, report: Report) -> None:
    """Check the further mounts."""
    _check_list(config, report, "mounts")


def check_live_mount(config: Config, mount: Mount, report: Report) -> None:
    """Check a mount for a running container."""
    _check_mount(config, mount, report, "mount")
    for word in sorted(extras_of(mount) & _AT_LAUNCH):
        report.add("mount.extras", f"{word!r} is not for a running container")
    if _destination(mount) == "/":
        report.add("mount.destination", "must not be the root of a running container")
    if mount.type in {"proc", "cgroup"}:
        report.add("mount.type", f"{mount.type!r} is mounted at launch only")
    if mount.propagation is not Propagation.RPRIVATE and mount.type != "bind":
        report.add("mount.propagation", "of a new filesystem is chosen at launch only")


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


def _check_list(config: Config, report: Report, name: str) -> None:
    seen: set[str] = set()
    if name == "mounts":
        base = Report().items("base_mounts", config.base_mounts)
        seen = {_destination(mount) for _, mount in base if isinstance(mount, Mount)}
    for path, value in report.items(name, getattr(config, name), "Mount"):
        mount = report.instance(path, value, Mount)
        if mount is None:
            continue
        if "remount" not in extras_of(mount):
            seen.add(_destination(mount))
        elif _destination(mount) not in seen:
            report.add(path, "remount: no mount before it is on this destination")
        _check_mount(config, mount, report, path)


def _destination(mount: Mount) -> str:
    destination: object = mount.destination
    return destination if isinstance(destination, str) else ""


def _check_mount(config: Config, mount: Mount, report: Report, path: str) -> None:
    kind = _check_type(mount, report, join(path, "type"))
    mount_destination(report, join(path, "destination"), mount.destination, kind)
    _check_source(mount, report, join(path, "source"))
    for own, cleared in _ATTRIBUTE_FIELDS:
        _check_attributes(mount, report, path, own, cleared)
    check_options(report, join(path, "data"), kind, mount.data)
    if kind == "overlay" and "remount" not in extras_of(mount):
        _check_overlay(mount, report, join(path, "data"))
    recursive = report.boolean(join(path, "recursive"), mount.recursive)
    if recursive and kind != "bind":
        report.add(join(path, "recursive"), "is only for a bind")
    report.instance(join(path, "propagation"), mount.propagation, Propagation)
    _check_extras(mount, report, join(path, "extras"))
    check_idmap(config, report, join(path, "idmap"), mount.idmap)
    if mount.idmap is not None and kind != "bind":
        report.add(join(path, "idmap"), "is only for a bind")


def _check_type(mount: Mount, report: Report, path: str) -> str | None:
    kind = report.text(path, mount.type)
    if kind is not None and not _TYPE.fullmatch(kind):
        report.add(path, f"is no name of a filesystem: {show(kind)}")
        return None
    if kind in _WHOLE_KERNEL:
        report.add(path, f"{kind!r} is of the whole kernel: bind the host's")
    if kind == "cgroup2":
        report.add(path, "must be 'cgroup', which is what the host has of it")
    if kind == "none" and "remount" not in extras_of(mount):
        report.add(path, "'none' is only for a bind or a remount")
    return kind


def _check_overlay(mount: Mount, report: Report, path: str) -> None:
    data: object = mount.data
    if not isinstance(data, tuple) or not all(isinstance(word, str) for word in data):
        return  # reported already
    names = ("lowerdir", "upperdir", "workdir")
    overlay, _ = overlay_of(mount)
    check_overlay(
        report,
        overlay,
        (join(path, names[0]), join(path, names[1]), join(path, names[2])),
    )


def extras_of(mount: Mount) -> frozenset[str]:
    """Return the extras of a mount that may be of a wrong type."""
    extras: object = mount.extras
    return extras if isinstance(extras, frozenset) else frozenset()


def _check_extras(mount: Mount, report: Report, path: str) -> None:
    for at, word in report.items(path, mount.extras, "words"):
        if report.word(at, word, EXTRAS) is None:
            continue
        only = _ONLY_FOR.get(str(word), mount.type)
        if mount.type != only and "remount" not in extras_of(mount):
            report.add(at, f"{word!r} is only for {only!r}, not {show(mount.type)}")
    if {"copy-symlink", "src-nofollow"} <= extras_of(mount):
        report.add(path, "'copy-symlink' and 'src-nofollow' exclude each other")
    if "tmpcopyup" in extras_of(mount) and _destination(mount) in {"/", "/dev"}:
        report.add(path, f"'tmpcopyup' is not for {mount.destination!r}")


def _check_source(mount: Mount, report: Report, path: str) -> None:
    if mount.type == "bind" and "remount" not in extras_of(mount):
        if mount.source is None:
            report.add(path, "is needed for a bind")
        else:
            absolute_path(report, path, mount.source)
    elif mount.source is not None:
        report.line(path, mount.source)


def _check_attributes(
    mount: Mount, report: Report, prefix: str, name: str, cleared_name: str
) -> None:
    path = join(prefix, name)
    attrs = _attributes(report, path, getattr(mount, name))
    cleared = _attributes(
        report, join(prefix, cleared_name), getattr(mount, cleared_name)
    )
    if attrs & _TWO_TIMES == _TWO_TIMES:
        report.add(path, "NOATIME and STRICTATIME exclude each other")
    if attrs & cleared:
        both = MountAttr(attrs & cleared).name
        report.add(path, f"has what {cleared_name} has too: {both}")


def _attributes(report: Report, path: str, value: object) -> int:
    attrs = report.instance(path, value, MountAttr)
    if attrs is None:
        return 0
    unknown = int(attrs) & ~_ALL_ATTRIBUTES
    if unknown:
        report.add(path, f"has unknown bits: {unknown:#x}")
    return int(attrs)
