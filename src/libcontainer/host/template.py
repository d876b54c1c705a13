# SPDX-License-Identifier: Apache-2.0
"""Keeps the template mount namespace that launches start from."""

from __future__ import annotations

import errno
import os

from libcontainer.bindings.pidfd import pidfd_get_namespace
from libcontainer.errors import LibcontainerError
from libcontainer.host.fds import above_stdio, close_all
from libcontainer.host.fork import ForkedLock
from libcontainer.host.launch import Launch
from libcontainer.host.log import logger
from libcontainer.plan.compiled import Compiled
from libcontainer.plan.steps import Step

_DEADLINE_SECONDS = 10.0


class Template:
    """The template mount namespace, made at the first use.

    It belongs to the factory, is safe to use from threads, and survives a fork
    of the program: it is one fd that nobody writes to.
    """

    def __init__(self) -> None:
        self._lock = ForkedLock()
        self._fd = -1
        self._tried = False

    def take(self, helper: int) -> int:
        """Return the fd of the namespace, or -1 where none can be made.

        A launch is as safe without; it then starts from a copy of the host's
        mounts and lets go of them.
        """
        made = self._fd
        if made >= 0:
            return made
        with self._lock:
            if not self._tried:
                self._tried = True
                self._make(helper)
            return self._fd

    @property
    def is_there(self) -> bool:
        """Whether it has been made."""
        return self._fd >= 0

    def close(self) -> None:
        """Let go of the namespace."""
        with self._lock:
            fd, self._fd = self._fd, -1
            self._tried = False
        if fd >= 0:
            close_all((fd,))

    def _make(self, helper: int) -> None:
        from libcontainer.plan.template import compile_template  # noqa: PLC0415 - once

        launch = Launch(
            Compiled(compile_template()),
            helper=helper,
            run_host_step=self._keep,
            deadline_seconds=_DEADLINE_SECONDS,
        )
        try:
            launch.run({})
            launch.abort()  # One that fails has done so already.
        except LibcontainerError as error:
            logger.warning("launches start without a template: %s", error)
        except BaseException:
            launch.abort()
            raise

    def _keep(self, launch: Launch, step: Step) -> None:
        self._fd = above_stdio(_mount_namespace(launch))


def _mount_namespace(launch: Launch) -> int:
    try:
        return pidfd_get_namespace(launch.pidfd, "mnt")
    except OSError as error:
        if error.errno != errno.ENOTTY:
            raise
    # Before Linux 6.11. The helper is our child: its pid is its own until we reap it.
    return os.open(f"/proc/{launch.host_pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
