# SPDX-License-Identifier: Apache-2.0
"""Checks of what a checkpoint or a restore is asked to do."""

from __future__ import annotations

import attrs

from libcontainer.config.criu import (
    CGROUP_MODES,
    CHECKPOINT_ONLY,
    NETWORK_LOCKS,
    RESTORE_ONLY,
    CriuOptions,
)
from libcontainer.config.report import Report
from libcontainer.errors import Problem

_MAX_TIMEOUT = 7 * 24 * 3600
_MAX_PORT = 65535
_MAX_FD = 2**31 - 1
_MAX_GHOST = 2**32 - 1


def validate_criu(options: CriuOptions, *, restores: bool) -> list[Problem]:
    """Return everything that is wrong with *options* for one of the two verbs."""
    report = Report()
    for field in attrs.fields(CriuOptions):
        if isinstance(field.default, bool):
            report.boolean(field.name, getattr(options, field.name))
    for name in ("work_dir", "config_file", "lsm_profile", "lsm_mount_context"):
        if getattr(options, name) is not None:
            report.line(name, getattr(options, name))
    report.line("criu", options.criu)
    report.word("manage_cgroups", options.manage_cgroups, CGROUP_MODES)
    if options.network_lock is not None:
        report.word("network_lock", options.network_lock, NETWORK_LOCKS)
    _check_numbers(options, report)
    _check_parent(options.parent, report)
    _check_together(options, report, restores=restores)
    return report.problems


def _check_numbers(options: CriuOptions, report: Report) -> None:
    timeout = options.timeout_seconds
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        report.wrong_type("timeout_seconds", "a number", timeout)
    elif not 0 < timeout <= _MAX_TIMEOUT:
        report.add("timeout_seconds", f"must be above 0, to {_MAX_TIMEOUT}")
    if options.ghost_limit is not None:
        report.integer("ghost_limit", options.ghost_limit, 0, _MAX_GHOST)
    if options.status_fd is not None:
        report.integer("status_fd", options.status_fd, 0, _MAX_FD)
    if options.page_server is None:
        return
    if not isinstance(options.page_server, tuple) or len(options.page_server) != 2:
        report.wrong_type("page_server", "an address and a port", options.page_server)
        return
    address, port = options.page_server
    report.line("page_server[0]", address)
    report.integer("page_server[1]", port, 1, _MAX_PORT)


def _check_parent(parent: object, report: Report) -> None:
    if parent is None:
        return
    text = report.line("parent", parent)
    if text is not None and (text.startswith("/") or not text):
        # CRIU makes a symlink of it within the image, which may be moved.
        report.add("parent", "must be relative to the image directory")


def _check_together(options: CriuOptions, report: Report, *, restores: bool) -> None:
    defaults = CriuOptions()
    others = CHECKPOINT_ONLY if restores else RESTORE_ONLY
    verb = "a checkpoint" if restores else "a restore"
    for name in others:
        if getattr(options, name) != getattr(defaults, name):
            report.add(name, f"is for {verb} only")
    if restores and options.manage_cgroups in {"ignore", "strict"}:
        # One would leave the cgroup, the other refuses it, being there already.
        report.add("manage_cgroups", "must be soft or full: the cgroup is made first")
    if options.tcp_established and options.tcp_close:
        report.add("tcp_close", "contradicts tcp_established")
    if options.pre_dump and options.lazy_pages:
        report.add("lazy_pages", "contradicts pre_dump")
    if options.status_fd is not None and not options.lazy_pages:
        report.add("status_fd", "is for lazy_pages only")
