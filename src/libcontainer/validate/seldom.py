# SPDX-License-Identifier: Apache-2.0
"""Fields that few configurations have: their checks are imported where one does."""

from __future__ import annotations

from typing import Final

from libcontainer.config.model import Config
from libcontainer.config.report import Report

SELDOM: Final = (
    "oom_score_adj",
    "scheduler",
    "io_priority",
    "cpu_affinity",
    "memory_policy",
    "personality",
    "parent_death_signal",
    "coredump_filter",
)
"""Settings of a configuration and of a process that are None unless wanted."""


def check_seldom(
    name: str, config: Config, report: Report, path: str, value: object
) -> None:
    """Check one of `SELDOM` that is not None."""
    from libcontainer.validate.scheduling import CHECKS  # noqa: PLC0415

    CHECKS[name](config, report, path, value)


def check_sysctl(config: Config, report: Report) -> None:
    """Check the kernel parameters."""
    if config.sysctl == ():
        return
    from libcontainer.validate.sysctl import check_parameters  # noqa: PLC0415

    check_parameters(config, report)


def check_networks(config: Config, report: Report) -> None:
    """Check the networks, routes and name files."""
    if config.networks == () and config.routes == () and config.dns is None:
        return
    from libcontainer.validate.network import check_all  # noqa: PLC0415

    check_all(config, report)


def check_intel_rdt(config: Config, report: Report) -> None:
    """Check the share of caches and of memory bandwidth."""
    if config.intel_rdt is None:
        return
    from libcontainer.validate.rdt import check  # noqa: PLC0415

    check(report, "intel_rdt", config.intel_rdt)


def check_notify_socket(config: Config, report: Report) -> None:
    """Check the service manager's address, and that there is a place inside."""
    if config.notify_socket is None:
        return
    from libcontainer.validate.notify import check_address  # noqa: PLC0415

    check_address(config, report)
