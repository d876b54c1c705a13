# SPDX-License-Identifier: Apache-2.0
"""Checks of what is written as a mapping."""

from __future__ import annotations

from typing import Final

from libcontainer.config.report import Report

_PAIR: Final = 2


def pairs(report: Report, path: str, value: object) -> list[tuple[str, object, object]]:
    """Check for entries; return (path, key, value) of each that is one."""
    found: list[tuple[str, object, object]] = []
    for at, item in report.items(path, value, "entries"):
        if isinstance(item, tuple) and len(item) == _PAIR:
            found.append((at, item[0], item[1]))
        elif report.text(at, item) is not None:
            report.add(at, f"has no '=': {item!r}")
    return found
