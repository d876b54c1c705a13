# SPDX-License-Identifier: Apache-2.0
"""Checks of shares of caches and of memory bandwidth."""

from __future__ import annotations

import re
from typing import Final

from libcontainer.config.rdt import IntelRdt
from libcontainer.config.report import Report, show
from libcontainer.errors import Problem

_LINE: Final = re.compile(
    r"[A-Z][A-Z0-9]*:[0-9]+=[0-9A-Fa-f]+(?:;[0-9]+=[0-9A-Fa-f]+)*", re.ASCII
)
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,255}", re.ASCII)
# Directories of the filesystem itself.
_RESERVED: Final = ("info", "mon_groups", "mon_data", ".", "..")


def check(report: Report, path: str, value: object) -> None:
    """Check an `IntelRdt`."""
    rdt = report.instance(path, value, IntelRdt)
    if rdt is None:
        return
    _check_clos(report, f"{path}.clos_id", rdt.clos_id)
    for at, line in report.items(f"{path}.schemata", rdt.schemata, "lines"):
        _check_line(report, at, line, "")
    for name, prefix in (("l3_cache_schema", "L3"), ("mem_bw_schema", "MB:")):
        if getattr(rdt, name) is not None:
            _check_line(report, f"{path}.{name}", getattr(rdt, name), prefix)
    report.boolean(f"{path}.enable_monitoring", rdt.enable_monitoring)


def validate_update(now: IntelRdt, wanted: IntelRdt) -> list[Problem]:
    """Return every problem of a change of a class of service.

    Args:
        now: what the container has.
        wanted: what it is to have.
    """
    report = Report()
    check(report, "intel_rdt", wanted)
    if not report.problems and wanted.clos_id != now.clos_id:
        report.add("intel_rdt.clos_id", f"must be {show(now.clos_id)}, as it has")
    return report.problems


def _check_clos(report: Report, path: str, value: object) -> None:
    if value is None or value == "/":
        return
    name = report.text(path, value)
    if name is None:
        return
    if _NAME.fullmatch(name) is None or name in _RESERVED:
        report.add(path, f"must be '/' or one name of a directory, not {show(name)}")


def _check_line(report: Report, path: str, value: object, prefix: str) -> None:
    line = report.line(path, value)
    if line is None:
        return
    if _LINE.fullmatch(line) is None or not line.startswith(prefix):
        wanted = f"{prefix or 'NAME:'}ID=VALUE;... as in resctrl"
        report.add(path, f"must be {wanted}, not {show(line)}")
