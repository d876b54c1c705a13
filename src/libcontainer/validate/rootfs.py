# SPDX-License-Identifier: Apache-2.0
"""Checks of what the container's root is made of."""

from __future__ import annotations

from typing import Final

from libcontainer.config.model import Config
from libcontainer.config.report import Report
from libcontainer.config.rootfs import Directory, Overlay
from libcontainer.config.rules import absolute_path, is_within

_MAX_LAYERS: Final = 500
_MAX_SIZE: Final = 2**63 - 1


def check_rootfs(config: Config, report: Report) -> None:
    """Check for a directory or an overlay of absolute host paths."""
    rootfs: object = config.rootfs
    if isinstance(rootfs, Directory):
        absolute_path(report, "rootfs.path", rootfs.path)
    elif isinstance(rootfs, Overlay):
        _check_layers(rootfs, report)
        _check_upper(rootfs, report)
    else:
        report.wrong_type("rootfs", "a path, a Directory or an Overlay", rootfs)


def _check_layers(rootfs: Overlay, report: Report) -> None:
    known = len(report.problems)
    layers = report.items("rootfs.lower", rootfs.lower, "paths")
    for path, layer in layers:
        absolute_path(report, path, layer)
    if not layers and len(report.problems) == known:
        report.add("rootfs.lower", "must have at least one path")
    if len(layers) > _MAX_LAYERS:
        report.add("rootfs.lower", f"has {len(layers)} paths, {_MAX_LAYERS} at most")


def _check_upper(rootfs: Overlay, report: Report) -> None:
    if rootfs.size is not None:
        report.integer("rootfs.size", rootfs.size, 1, _MAX_SIZE)
        if rootfs.upper is not None:
            report.add("rootfs.size", "limits the tmpfs, which is not there with upper")
    if rootfs.upper is None and rootfs.work is not None:
        report.add("rootfs.work", "is of no use without upper")
    if rootfs.upper is None:
        return
    upper = absolute_path(report, "rootfs.upper", rootfs.upper)
    if rootfs.work is None:
        report.add("rootfs.work", "is needed with upper: an empty directory beside it")
        return
    work = absolute_path(report, "rootfs.work", rootfs.work)
    if upper and work and (is_within(work, upper) or is_within(upper, work)):
        report.add("rootfs.work", "must be apart from upper, neither within the other")
