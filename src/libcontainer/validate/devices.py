# SPDX-License-Identifier: Apache-2.0
"""Checks of device nodes."""

from __future__ import annotations

from typing import Final

from libcontainer.config.devices import Device
from libcontainer.config.model import Config
from libcontainer.config.report import Report, join
from libcontainer.config.rules import MAX_ID, device_path, is_within

_TYPES: Final = ("c", "u", "b", "p")
_MAX_MAJOR: Final = 2**12 - 1
_MAX_MINOR: Final = 2**20 - 1
_MAX_MODE: Final = 0o777


def check_devices(config: Config, report: Report) -> None:
    """Check each node, and that none is in the way of another."""
    seen: dict[str, str] = {}
    for path, value in report.items("devices", config.devices, "Device"):
        device = report.instance(path, value, Device)
        if device is None:
            continue
        at = device_path(report, join(path, "path"), device.path)
        if at is not None:
            _check_place(report, join(path, "path"), at, seen)
            seen.setdefault(at, path)
        _check_numbers(report, path, device)
        report.integer(join(path, "mode"), device.mode, 0, _MAX_MODE)
        report.integer(join(path, "uid"), device.uid, 0, MAX_ID)
        report.integer(join(path, "gid"), device.gid, 0, MAX_ID)


def _check_numbers(report: Report, path: str, device: Device) -> None:
    kind = report.word(join(path, "type"), device.type, _TYPES)
    numbers = (("major", _MAX_MAJOR), ("minor", _MAX_MINOR))
    for name, highest in numbers:
        at = join(path, name)
        number = report.integer(at, getattr(device, name), 0, highest)
        if kind == "p" and number:
            report.add(at, "must be 0 for a pipe")


def _check_place(report: Report, path: str, at: str, seen: dict[str, str]) -> None:
    if at in seen:
        report.add(path, f"{at!r} is the path of {seen[at]} already")
        return
    for other, owner in seen.items():
        if is_within(at, other) or is_within(other, at):
            report.add(path, f"{at!r} and {other!r} of {owner} cannot both be")
            return
