# SPDX-License-Identifier: Apache-2.0
"""Checks of what the container's root is made of."""

from __future__ import annotations

from typing import Final

from libcontainer.config.model import Config
from libcontainer.config.mounts import Propagation
from libcontainer.config.report import Report
from libcontainer.config.rootfs import Directory, Overlay
from libcontainer.config.rules import absolute_path, is_within
from libcontainer.validate.idmap import check_idmap

_MAX_LAYERS: Final = 500
_MAX_SIZE: Final = 2**63 - 1
_ROOTFS_NAMES: Final = ("rootfs.lower", "rootfs.upper", "rootfs.work")

OverlayNames = tuple[str, str, str]


def check_rootfs(config: Config, report: Report) -> None:
    """Check for a directory or an overlay of absolute host paths."""
    rootfs: object = config.rootfs
    if isinstance(rootfs, Directory):
        absolute_path(report, "rootfs.path", rootfs.path)
        check_idmap(config, report, "rootfs.idmap", rootfs.idmap)
    elif isinstance(rootfs, Overlay):
        check_overlay(report, rootfs, _ROOTFS_NAMES)
        _check_size(rootfs, report)
        check_idmap(config, report, "rootfs.idmap", rootfs.idmap)
    else:
        report.wrong_type("rootfs", "a path, a Directory or an Overlay", rootfs)


def check_rootfs_propagation(config: Config, report: Report) -> None:
    """Check how the root's mount takes part in what is mounted later."""
    report.instance("rootfs_propagation", config.rootfs_propagation, Propagation)


def check_overlay(report: Report, overlay: Overlay, names: OverlayNames) -> None:
    """Check the layers of an overlay.

    Args:
        report: where problems go.
        overlay: what is checked.
        names: paths in the configuration of lower, upper and work.
    """
    _check_layers(report, overlay, names[0])
    _check_upper(report, overlay, names)


def _check_layers(report: Report, overlay: Overlay, name: str) -> None:
    known = len(report.problems)
    layers = report.items(name, overlay.lower, "paths")
    for path, layer in layers:
        absolute_path(report, path, layer)
    if not layers and len(report.problems) == known:
        report.add(name, "must have at least one path")
    if len(layers) > _MAX_LAYERS:
        report.add(name, f"has {len(layers)} paths, {_MAX_LAYERS} at most")


def _check_size(rootfs: Overlay, report: Report) -> None:
    if rootfs.size is not None:
        report.integer("rootfs.size", rootfs.size, 1, _MAX_SIZE)
        if rootfs.upper is not None:
            report.add("rootfs.size", "limits the tmpfs, which is not there with upper")


def _check_upper(report: Report, overlay: Overlay, names: OverlayNames) -> None:
    _, upper_name, work_name = names
    if overlay.upper is None and overlay.work is not None:
        report.add(work_name, "is of no use without upper")
    if overlay.upper is None:
        return
    upper = absolute_path(report, upper_name, overlay.upper)
    if overlay.work is None:
        report.add(work_name, "is needed with upper: an empty directory beside it")
        return
    work = absolute_path(report, work_name, overlay.work)
    if upper and work and (is_within(work, upper) or is_within(upper, work)):
        report.add(work_name, "must be apart from upper, neither within the other")
