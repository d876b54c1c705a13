# SPDX-License-Identifier: Apache-2.0
"""Finds a place in a running container, from outside."""

from __future__ import annotations

import errno
import os

from libcontainer.bindings.openat2 import Resolve, openat2
from libcontainer.config.report import Report
from libcontainer.config.rules import container_path
from libcontainer.errors import ConfigError
from libcontainer.host.children import has_ended
from libcontainer.host.fds import above_stdio
from libcontainer.host.processref import ProcessRef


def open_mount(init: ProcessRef, path: str) -> int:
    """Return an fd of what is topmost on a path of a container.

    Args:
        init: the container's init process.
        path: an absolute container path, of which no part may be a symlink.

    Raises:
        ConfigError: it is not absolute, is ``/`` or has ``..`` in it.
        OSError: ``ENOENT``; ``ELOOP``: a symlink is on the way.
    """
    report = Report()
    checked = container_path(report, "path", path)
    if checked is None:
        raise ConfigError(report.problems)
    root = os.open(f"/proc/{init.host_pid}/root", os.O_PATH | os.O_CLOEXEC)
    try:
        if has_ended(init.pidfd):
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        resolve = Resolve.IN_ROOT | Resolve.NO_SYMLINKS
        return above_stdio(openat2(root, checked, os.O_PATH, resolve=resolve))
    finally:
        os.close(root)
