# SPDX-License-Identifier: Apache-2.0
"""Checks of device nodes."""

from __future__ import annotations

from typing import Final

from libcontainer.config.devices import Device
from libcontainer.config.model import Config
from libcontainer.config.report import Report, join
from libcontainer.config.rules import MAX_ID, components, device_path

_TYPES: Final = ("c", "u", "b", "p")
_MAX_MAJOR: Final = 2**12 - 1
_MAX_MINOR: Final = 2**20 - 1
_MAX_MODE: Final = 0o777


def check_devices(config: Config, report: Report) -> None:
    """Check each node, and that none is in the way of another."""
    places = _Places()
    for path, value in report.items("devices", config.devices, "Device"):
        at = check_device(report, path, value, anywhere=True)
        if at is not None:
            places.take(report, path, at)


def check_device(
    report: Report, path: str, value: object, *, anywhere: bool = False
) -> str | None:
    """Check one node; return where it is, if it can be there.

    Only with *anywhere* may that be outside of /dev.
    """
    device = report.instance(path, value, Device)
    if device is None:
        return None
    at = device_path(report, join(path, "path"), device.path, anywhere=anywhere)
    _check_numbers(report, path, device)
    report.integer(join(path, "mode"), device.mode, 0, _MAX_MODE)
    report.integer(join(path, "uid"), device.uid, 0, MAX_ID)
    report.integer(join(path, "gid"), device.gid, 0, MAX_ID)
    return at


def _check_numbers(report: Report, path: str, device: Device) -> None:
    kind = report.word(join(path, "type"), device.type, _TYPES)
    numbers = (("major", _MAX_MAJOR), ("minor", _MAX_MINOR))
    for name, highest in numbers:
        at = join(path, name)
        number = report.integer(at, getattr(device, name), 0, highest)
        if kind == "p" and number:
            report.add(at, "must be 0 for a pipe")


class _Places:
    """Who is at each path, and who needs it as a directory."""

    def __init__(self) -> None:
        self._nodes: dict[str, str] = {}
        self._directories: dict[str, str] = {}

    def take(self, report: Report, path: str, at: str) -> None:
        """Take a place for the device at *path*, or report who has it."""
        above = _directories_of(at)
        other = self._nodes.get(at)
        if other is not None:
            report.add(join(path, "path"), f"{at!r} is the path of {other} already")
            return
        owners = (self._nodes.get(directory) for directory in above)
        blocking = self._directories.get(at) or next(filter(None, owners), None)
        if blocking is not None:
            message = f"{at!r} and the path of {blocking} cannot both be"
            report.add(join(path, "path"), message)
            return
        self._nodes[at] = path
        for directory in above:
            self._directories.setdefault(directory, path)


def _directories_of(path: str) -> list[str]:
    names = components(path)
    return ["/" + "/".join(names[:count]) for count in range(2, len(names))]
