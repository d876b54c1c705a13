# SPDX-License-Identifier: Apache-2.0
"""Checks of the seccomp profile. What they need is loaded only if there is one."""

from __future__ import annotations

from libcontainer.config.model import Config
from libcontainer.config.report import Report
from libcontainer.process import Process


def check_seccomp(config: Config, report: Report) -> None:
    """Check the profile, if there is one."""
    if config.seccomp is not None:
        from libcontainer.validate.profile import check_profile  # noqa: PLC0415

        check_profile(report, "seccomp", config.seccomp)


def check_notify(config: Config, process: Process, report: Report) -> None:
    """Check that somebody answers for ``SCMP_ACT_NOTIFY``, and only one."""
    if config.seccomp is not None:
        from libcontainer.validate.profile import check_handler  # noqa: PLC0415

        check_handler(report, config.seccomp, process.notify)
    elif process.notify is not None:
        report.add("process.notify", "is of no use without a seccomp profile")
