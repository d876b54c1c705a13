# SPDX-License-Identifier: Apache-2.0
"""Checks of Landlock's rules. Loaded only for a configuration that has some."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from libcontainer.config.landlock import (
    ACCESS_FS,
    ACCESS_NET,
    SCOPES,
    Landlock,
    LandlockPath,
    LandlockPort,
)
from libcontainer.config.report import Report, join, show
from libcontainer.config.rules import absolute_path, components

_MAX_PORT: Final = 65535


def check(report: Report, path: str, value: object) -> None:
    """Check that all words are known, and that rules allow what is handled."""
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
