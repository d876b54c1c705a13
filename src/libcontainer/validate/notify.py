# SPDX-License-Identifier: Apache-2.0
"""Checks of the socket at which a container says that it is ready."""

from __future__ import annotations

from typing import Final

from libcontainer.config.model import Config
from libcontainer.config.namespaces import NamespaceType
from libcontainer.config.report import Report, show
from libcontainer.config.rules import absolute_path
from libcontainer.validate.namespaces import is_joined
from libcontainer.validate.pairs import pairs

_MAX_ADDRESS: Final = 107
_PLACE: Final = "/dev/notify"


def check_address(config: Config, report: Report) -> None:
    """Check the address, and what else would be at its place inside."""
    path, value = "notify_socket", config.notify_socket
    text = report.line(path, value)
    if text is None:
        return
    if text.startswith("@"):
        if len(text) == 1:
            report.add(path, "has no name after '@'")
    elif absolute_path(report, path, text) is None:
        return
    if len(text.encode()) > _MAX_ADDRESS:
        report.add(path, f"is longer than {_MAX_ADDRESS} bytes: {show(text)}")
    _check_place(config, report, path)
    for at, key, _ in pairs(Report(), "env", config.env):
        if key == "NOTIFY_SOCKET":
            report.add(at, "NOTIFY_SOCKET is set by notify_socket")


def _check_place(config: Config, report: Report, path: str) -> None:
    if is_joined(config, NamespaceType.MOUNT):
        report.add(path, "needs a mount namespace that is not joined")
    mounts = [
        mount
        for name, value in (("base", config.base_mounts), ("more", config.mounts))
        for _, mount in Report().items(name, value)
    ]
    for mount in mounts:
        place: object = getattr(mount, "destination", None)
        if place == _PLACE:
            report.add(path, f"{_PLACE!r} is the destination of a mount")
        elif place == "/dev" and getattr(mount, "type", None) != "tmpfs":
            report.add(path, "needs a /dev of the container's own, a tmpfs")
    for _, device in Report().items("devices", config.devices):
        if getattr(device, "path", None) == _PLACE:
            report.add(path, f"{_PLACE!r} is the path of a device")
