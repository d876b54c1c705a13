# SPDX-License-Identifier: Apache-2.0
"""Checks of labels and of Landlock's rules."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from libcontainer.config.report import Report, join, show
from libcontainer.config.rules import (
    absolute_path,
    apparmor_profile,
    components,
    selinux_label,
)

if TYPE_CHECKING:
    from libcontainer.config.landlock import Landlock
    from libcontainer.config.model import Config

_MAX_PORT: Final = 65535


def check_apparmor_profile(
    config: Config, report: Report, path: str, value: object
) -> None:
    """Check for the name of a profile; whether it is loaded is the host's part."""
    apparmor_profile(report, path, value)


def check_label(config: Config, report: Report, path: str, value: object) -> None:
    """Check for the form of an SELinux label."""
    selinux_label(report, path, value)


def check_mount_label(config: Config, report: Report) -> None:
    """Check the label of the container's mounts."""
    if config.mount_label is not None:
        selinux_label(report, "mount_label", config.mount_label)


def check_landlock(config: Config, report: Report, path: str, value: object) -> None:
    """Check that all words are known, and that rules allow what is handled."""
    from libcontainer.config.landlock import ACCESS_FS, ACCESS_NET, SCOPES, Landlock

    landlock = report.instance(path, value, Landlock)
    if landlock is None:
        return
    for name, table in (
        ("handled_access_fs", ACCESS_FS),
        ("handled_access_net", ACCESS_NET),
        ("scoped", SCOPES),
    ):
        _check_words(report, join(path, name), getattr(landlock, name), table)
    report.boolean(join(path, "best_effort"), landlock.best_effort)
    _check_paths(report, path, landlock)
    _check_ports(report, path, landlock)


def _check_paths(report: Report, path: str, landlock: Landlock) -> None:
    from libcontainer.config.landlock import LandlockPath

    for at, item in report.items(join(path, "paths"), landlock.paths, "LandlockPath"):
        rule = report.instance(at, item, LandlockPath)
        if rule is None:
            continue
        where = absolute_path(report, join(at, "path"), rule.path)
        if where is not None and ".." in components(where):
            report.add(join(at, "path"), f"must not have '..' in it: {show(where)}")
        handled = landlock.handled_access_fs
        _check_access(report, join(at, "access"), rule.access, handled, "fs")


def _check_ports(report: Report, path: str, landlock: Landlock) -> None:
    from libcontainer.config.landlock import LandlockPort

    for at, item in report.items(join(path, "ports"), landlock.ports, "LandlockPort"):
        rule = report.instance(at, item, LandlockPort)
        if rule is None:
            continue
        report.integer(join(at, "port"), rule.port, 0, _MAX_PORT)
        handled = landlock.handled_access_net
        _check_access(report, join(at, "access"), rule.access, handled, "net")


def _check_access(
    report: Report, path: str, value: object, handled: object, kind: str
) -> None:
    words = report.items(path, value, "words")
    if isinstance(value, frozenset | tuple) and not words:
        report.add(path, "must have at least one word")
    known = handled if isinstance(handled, frozenset) else frozenset()
    for at, word in words:
        text = report.text(at, word)
        if text is not None and text not in known:
            report.add(at, f"{show(text)} is not in handled_access_{kind}")


def _check_words(
    report: Report, path: str, value: object, table: Collection[str]
) -> None:
    for at, word in report.items(path, value, "words"):
        report.word(at, word, table)
