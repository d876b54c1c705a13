# SPDX-License-Identifier: Apache-2.0
"""Tells everything that is wrong with a configuration, all at once.

Pure: nothing is opened, looked up or made. What only the host can tell (a
source that is not there) is `libcontainer.host.check`. A value of any type in
any field becomes a problem, never another exception.

The two lists below are the table of contents: every rule is in one of the
checks they name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from libcontainer.config.devices import Device
from libcontainer.config.model import Config
from libcontainer.config.mounts import Mount
from libcontainer.config.report import Report
from libcontainer.config.resources import Resources
from libcontainer.errors import ConfigError, Problem
from libcontainer.process import Process
from libcontainer.validate.devices import check_device, check_devices
from libcontainer.validate.hooks import check_hooks
from libcontainer.validate.mounts import (
    check_base_mounts,
    check_live_mount,
    check_masked_paths,
    check_mounts,
    check_mounts_in_user_namespace,
    check_readonly_paths,
)
from libcontainer.validate.namespaces import (
    check_domainname,
    check_hostname,
    check_id_mappings,
    check_joined_mount_namespace,
    check_namespace_paths,
    check_namespaces,
    check_time_offsets,
)
from libcontainer.validate.process import (
    check_args,
    check_console_size,
    check_console_socket,
    check_log,
    check_own_cgroup,
    check_pass_fds,
    check_pidfd_socket,
    check_process_settings,
    check_stdio,
    check_terminal,
    check_wait_fifo,
)
from libcontainer.validate.resources import check_resources, report_resources
from libcontainer.validate.rootfs import check_rootfs, check_rootfs_propagation
from libcontainer.validate.seccomp import check_notify, check_seccomp
from libcontainer.validate.security import check_mount_label
from libcontainer.validate.seldom import (
    check_intel_rdt,
    check_networks,
    check_notify_socket,
    check_sysctl,
)
from libcontainer.validate.settings import (
    check_config_settings,
    check_labels,
    check_switches,
)

__all__ = [
    "check",
    "validate",
    "validate_device",
    "validate_live_mount",
    "validate_log",
    "validate_process",
    "validate_resources",
]

CONFIG_CHECKS: Final[tuple[Callable[[Config, Report], None], ...]] = (
    check_rootfs,
    check_rootfs_propagation,
    check_namespaces,
    check_namespace_paths,
    check_joined_mount_namespace,
    check_id_mappings,
    check_time_offsets,
    check_hostname,
    check_domainname,
    check_base_mounts,
    check_mounts,
    check_mounts_in_user_namespace,
    check_devices,
    check_masked_paths,
    check_readonly_paths,
    check_switches,
    check_sysctl,
    check_networks,
    check_notify_socket,
    check_intel_rdt,
    check_config_settings,
    check_hooks,
    check_mount_label,
    check_seccomp,
    check_labels,
    check_resources,
)

PROCESS_CHECKS: Final[tuple[Callable[[Config, Process, Report], None], ...]] = (
    check_args,
    check_process_settings,
    check_terminal,
    check_console_size,
    check_console_socket,
    check_stdio,
    check_pass_fds,
    check_pidfd_socket,
    check_wait_fifo,
    check_own_cgroup,
    check_notify,
)


def validate(config: Config, process: Process | None = None) -> list[Problem]:
    """Return every problem of a configuration, an empty list if there is none.

    Args:
        config: what the container is.
        process: what is to run in it, or None to look at *config* alone. Paths
            of its problems begin with ``process``.
    """
    report = Report()
    if report.instance("config", config, Config) is None:
        return report.problems
    for check_config in CONFIG_CHECKS:
        check_config(config, report)
    if process is None:
        return report.problems
    return report.problems + validate_process(config, process)


def validate_process(config: Config, process: Process) -> list[Problem]:
    """Return every problem of *process* in a container of a valid *config*."""
    report = Report()
    if report.instance("process", process, Process) is None:
        return report.problems
    for check_process in PROCESS_CHECKS:
        check_process(config, process, report)
    return report.problems


def validate_resources(resources: Resources) -> list[Problem]:
    """Return every problem of limits that are to be changed."""
    report = Report()
    if report.instance("resources", resources, Resources) is not None:
        report_resources("resources", resources, report)
    return report.problems


def validate_device(device: Device) -> list[Problem]:
    """Return every problem of a node for a running container."""
    report = Report()
    check_device(report, "device", device)
    return report.problems


def validate_live_mount(config: Config, mount: Mount) -> list[Problem]:
    """Return every problem of a mount for a running container of a valid *config*."""
    report = Report()
    if report.instance("mount", mount, Mount) is not None:
        check_live_mount(config, mount, report)
    return report.problems


def validate_log(process: Process, log: object) -> list[Problem]:
    """Return every problem of the log of a valid *process* that is detached."""
    report = Report()
    check_log(process, log, report)
    return report.problems


def check(config: Config, process: Process | None = None) -> None:
    """Raise if anything is wrong with a configuration.

    Raises:
        ConfigError: with every problem that `validate` finds.
    """
    problems = validate(config, process)
    if problems:
        raise ConfigError(problems)
