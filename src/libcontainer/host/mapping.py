# SPDX-License-Identifier: Apache-2.0
"""Makes user namespaces that exist for their id maps only."""

from __future__ import annotations

import errno
import os

from libcontainer.bindings.pidfd import pidfd_get_namespace
from libcontainer.host.fds import close_all
from libcontainer.host.idmap import Extents, write_maps
from libcontainer.host.launch import Launch
from libcontainer.plan.compiled import Compiled
from libcontainer.plan.mapping import compile_mapping
from libcontainer.plan.steps import MapIds, Step

_DEADLINE_SECONDS = 10.0


def _namespace_of(launch: Launch) -> int:
    try:
        return pidfd_get_namespace(launch.pidfd, "user")
    except OSError as error:
        if error.errno != errno.ENOTTY:
            raise
    # Before Linux 6.11. It is our child and not reaped, so the number is its own.
    return os.open(f"/proc/{launch.host_pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)


def new_user_namespace(helper: int, uid_map: Extents, gid_map: Extents) -> int:
    """Return the fd of a new user namespace with these maps.

    A process enters it, is mapped from outside, and is ended again: the fd is what
    keeps the namespace.

    Args:
        helper: fd of the helper's image.
        uid_map: (id on the disk, host id, size) of each range.
        gid_map: the same for groups.

    Raises:
        LibcontainerError: it cannot be made; nothing is left behind.
    """
    found: list[int] = []

    def act(launch: Launch, step: Step) -> None:
        if isinstance(step.action, MapIds):
            write_maps(
                launch.host_pid, launch.pidfd, uid_map, gid_map, deny_setgroups=False
            )
        else:
            found.append(_namespace_of(launch))

    launch = Launch(
        Compiled(compile_mapping(uid_map, gid_map)),
        helper=helper,
        run_host_step=act,
        deadline_seconds=_DEADLINE_SECONDS,
    )
    try:
        launch.run({})
    except BaseException:
        close_all(found)
        raise
    finally:
        launch.abort()
    return found[0]
