# SPDX-License-Identifier: Apache-2.0
"""Our options in CRIU's words; pure."""

from __future__ import annotations

from typing import Any, Final

from libcontainer.checkpoint.rpc import CGROUP_MODE, CLONE_NEWNET, NETWORK_LOCK
from libcontainer.config.criu import CriuOptions

LOG_LEVEL: Final = 4


def common(options: CriuOptions, *, images: int, work: int) -> dict[str, Any]:
    """Return what a checkpoint and a restore are both told.

    Args:
        options: what was asked for.
        images: fd of the image directory.
        work: fd of the work directory.
    """
    lock = options.network_lock
    return {
        "images_dir_fd": images,
        "work_dir_fd": work,
        "log_level": LOG_LEVEL,
        "ext_unix_sk": options.external_unix_sockets,
        "tcp_established": options.tcp_established,
        "shell_job": options.shell_job,
        "file_locks": options.file_locks,
        "auto_dedup": options.auto_dedup,
        "lazy_pages": options.lazy_pages,
        "manage_cgroups": options.manage_cgroups != "ignore",
        "manage_cgroups_mode": CGROUP_MODE[options.manage_cgroups],
        "network_lock": None if lock is None else NETWORK_LOCK[lock],
        "empty_ns": CLONE_NEWNET if options.empty_network else None,
        "config_file": options.config_file,
        "timeout": max(1, int(options.timeout_seconds)),
    }
