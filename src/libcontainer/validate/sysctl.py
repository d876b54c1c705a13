# SPDX-License-Identifier: Apache-2.0
"""Checks of kernel parameters: each must be of a namespace of the container."""

from __future__ import annotations

import re
from typing import Final

from libcontainer.config.model import Config
from libcontainer.config.namespaces import NamespaceType
from libcontainer.config.report import Report, show
from libcontainer.config.sysctl import sysctl_path
from libcontainer.validate.namespaces import has_namespace
from libcontainer.validate.pairs import pairs

_NAME: Final = re.compile(r"[A-Za-z0-9_:@-][A-Za-z0-9_.:@-]*")
_IPC: Final = frozenset(
    f"kernel/{name}"
    for name in (
        "msgmax",
        "msgmnb",
        "msgmni",
        "sem",
        "shm_rmid_forced",
        "shmall",
        "shmmax",
        "shmmni",
    )
)
_FIELDS: Final = {"kernel/hostname": "hostname", "kernel/domainname": "domainname"}


def check_parameters(config: Config, report: Report) -> None:
    """Check each parameter, and that a namespace of its own keeps it inside."""
    seen: dict[str, str] = {}
    known = len(report.problems)
    for at, key, value in pairs(report, "sysctl", config.sysctl):
        name = report.line(at, key)
        report.line(at, value)
        if name is None:
            continue
        path = sysctl_path(name)
        if not all(_NAME.fullmatch(part) for part in path.split("/")):
            report.add(at, f"is no name of a kernel parameter: {show(name)}")
        elif path in seen:
            report.add(at, f"{name!r} is {seen[path]!r} already")
        else:
            seen[path] = name
            _check_namespace(config, report, at, name, path)
    if config.sysctl and len(report.problems) == known:
        _check_procfs(config, report)


def _check_namespace(
    config: Config, report: Report, at: str, name: str, path: str
) -> None:
    if path in _FIELDS:
        report.add(at, f"{name!r} is set by the field {_FIELDS[path]}")
        return
    if path.startswith("net/"):
        kind = NamespaceType.NETWORK
    elif path.startswith("fs/mqueue/") or path in _IPC:
        kind = NamespaceType.IPC
    else:
        report.add(at, f"{name!r} is the whole host's, not of a namespace")
        return
    # Whether one that is joined is another than the caller's is seen on the host.
    if not has_namespace(config, kind):
        report.add(at, f"{name!r} needs a {kind.value!r} namespace of its own")


def _check_procfs(config: Config, report: Report) -> None:
    in_user = has_namespace(config, NamespaceType.USER)
    if in_user and not has_namespace(config, NamespaceType.PID):
        report.add(
            "sysctl",
            "in a user namespace needs a 'pid' namespace of its own, for a procfs",
        )
