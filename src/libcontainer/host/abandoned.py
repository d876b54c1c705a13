# SPDX-License-Identifier: Apache-2.0
"""Removes what makers of containers have left that were killed at it."""

from __future__ import annotations

import os

from libcontainer.cgroups.group import Group
from libcontainer.errors import (
    ContainerNotFoundError,
    LibcontainerError,
    LockTimeoutError,
    StateFileError,
)
from libcontainer.host.children import has_ended
from libcontainer.host.log import logger
from libcontainer.host.processref import NO_PROCESS, ProcessRef
from libcontainer.host.store import PRIVATE, Folder, Store
from libcontainer.state import State


def remove_abandoned(store: Store) -> tuple[str, ...]:
    """Remove folders whose maker is dead and that have no init process.

    A helper ends with its caller, so such a folder has nothing alive behind it. Who
    works on a container holds its lock, and is left alone. What cannot be taken down
    keeps its folder, which alone knows of it, for the next try. Return the ids, and
    the private names of half-made folders.
    """
    removed = []
    for name in store.names():
        folder = store.open_any(name)
        if folder is None:
            continue
        try:
            folder.lock(timeout=0)
            if _is_abandoned(folder):
                _take_down(folder)
                folder.remove()
                removed.append(name)
        except (LockTimeoutError, ContainerNotFoundError, StateFileError):
            continue
        except (LibcontainerError, OSError) as error:
            logger.warning("%s cannot be removed yet: %s", folder.path, error)
        finally:
            folder.close()
    return tuple(removed)


def _is_abandoned(folder: Folder) -> bool:
    """Tell, for the holder of the lock, whether a crash left this folder."""
    if folder.id.startswith(PRIVATE):
        # Its maker may be alive and about to take the lock.
        maker = folder.id.removeprefix(PRIVATE).partition("-")[0]
        return not _is_alive(int(maker, 16))
    try:
        state = folder.read()
    except ContainerNotFoundError:
        # Or somebody keeps a folder of his own beside ours.
        return folder.has_only_ours()
    except StateFileError:
        # Whoever wrote it may know of a process; it must not stop others.
        return False
    if state.init is not None:
        return False
    with ProcessRef.open(state.creator) as creator:
        return creator is None or has_ended(creator.pidfd)


def _take_down(folder: Folder) -> None:
    """Undo what a launch has done on the host by the word of the state file.

    Raises:
        LibcontainerError: some of a network is left, or a companion does not end.
        OSError: a class of service cannot be removed.
    """
    try:
        state: State = folder.read()
    except (ContainerNotFoundError, StateFileError):
        # Half made: the file is there before anything else is.
        return
    Group(state.cgroup, state.unit).abandon()
    if state.network:
        from libcontainer.network.runner import disconnect  # noqa: PLC0415 - rare

        for failure in disconnect(state.network, None):
            raise failure
    if state.companions:
        from libcontainer.host.companions import end_companions  # noqa: PLC0415

        end_companions(state.companions)
    if state.rdt:
        from libcontainer.host.rdt import remove  # noqa: PLC0415 - rare

        remove(state.rdt)


def _is_alive(host_pid: int) -> bool:
    try:
        os.close(os.pidfd_open(host_pid))
    except OSError as error:
        return error.errno not in NO_PROCESS
    return True
