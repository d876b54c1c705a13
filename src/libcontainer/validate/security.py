# SPDX-License-Identifier: Apache-2.0
"""Checks of what the kernel's security modules are asked for."""

from __future__ import annotations

from libcontainer.config.model import Config
from libcontainer.config.report import Report
from libcontainer.config.rules import apparmor_profile, selinux_label


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
    """Check Landlock's rules."""
    from libcontainer.validate import landlock  # noqa: PLC0415 - loaded only if used

    landlock.check(report, path, value)
