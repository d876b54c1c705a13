# SPDX-License-Identifier: Apache-2.0
"""``libcontainer kill``, ``delete``, ``pause``, ``resume``, ``wait`` and ``gc``."""

from __future__ import annotations

import contextlib
import os
import signal as signals

from libcontainer.commands.oci_common import (
    load,
    matching,
    open_factory,
    warn_of_last_hooks,
)
from libcontainer.commands.options import Arguments
from libcontainer.container import Container
from libcontainer.errors import (
    ContainerNotFoundError,
    StateError,
    UnsupportedError,
)
from libcontainer.handle import signal_number
from libcontainer.known import parts_of
from libcontainer.plan.kinds import shares_pids
from libcontainer.status import Status

_DEFAULT = "SIGTERM"

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass


def kill(arguments: Arguments) -> int:
    """Send a signal."""
    number = signal_number(arguments.signal or _DEFAULT)
    with open_factory(arguments) as factory:
        if arguments.regex:
            found = matching(factory, arguments.id)
        else:
            found = [load(factory, arguments)]
        for container in found:
            _kill(container, number, everyone=arguments.all)
    return 0


def _kill(container: Container, number: int, *, everyone: bool) -> None:
    ends = number == signals.SIGKILL
    if everyone or (ends and shares_pids(parts_of(container))):
        # Without a pid namespace of its own the others outlive its init.
        reached = _signal_all(container, number)
        if not everyone and not reached:
            raise StateError(container.id, Status.STOPPED.value, "signal")
    else:
        container.signal(number)
    if ends:
        # What is frozen takes no signal, on cgroup v1 not even this one.
        with contextlib.suppress(StateError, UnsupportedError):
            container.resume()


def _signal_all(container: Container, number: int) -> bool:
    """Send a signal to every process; tell whether there was one."""
    # A process may begin another between two looks: until none is new.
    seen: set[int] = set()
    while new := set(_processes(container)) - seen:
        for host_pid in new:
            with contextlib.suppress(ProcessLookupError):
                pidfd = os.pidfd_open(host_pid)
                try:
                    # The number may have become another's before we held it.
                    if host_pid in _processes(container):
                        signals.pidfd_send_signal(pidfd, number)
                finally:
                    os.close(pidfd)
        seen |= new
    return bool(seen)


def _processes(container: Container) -> list[int]:
    try:
        return container.processes()
    except UnsupportedError:
        # Without a cgroup the first one is all that can be told.
        init = container.state().init
        ended = container.status() is Status.STOPPED
        return [] if init is None or ended else [init.host_pid]


def delete(arguments: Arguments) -> int:
    """Remove containers."""
    with open_factory(arguments) as factory:
        if arguments.regex:
            _delete_all(matching(factory, arguments.id), force=arguments.force)
            return 0
        try:
            container = load(factory, arguments)
            warn_of_last_hooks(parts_of(container).hooks, arguments)
            container.delete(force=arguments.force)
        except ContainerNotFoundError:
            # Engines make sure twice.
            if not arguments.force:
                raise
    return 0


def _delete_all(found: list[Container], *, force: bool) -> None:
    from libcontainer.commands.progress import Waiting  # noqa: PLC0415 - for many only

    with Waiting("deleting") as waiting:
        for number, container in enumerate(found, start=1):
            waiting.text = f"deleting {number} of {len(found)}"
            container.delete(force=force)


def pause(arguments: Arguments) -> int:
    """Freeze every process."""
    with open_factory(arguments) as factory:
        load(factory, arguments).pause()
    return 0


def resume(arguments: Arguments) -> int:
    """Let every process go on."""
    with open_factory(arguments) as factory:
        load(factory, arguments).resume()
    return 0


def wait(arguments: Arguments) -> int:
    """Wait for the end and print the exit status, as a shell has it."""
    with open_factory(arguments) as factory:
        print(load(factory, arguments).wait().shell)
    return 0


def recover(arguments: Arguments) -> int:
    """Remove what crashed creators left."""
    with open_factory(arguments) as factory:
        for container_id in factory.recover():
            print(container_id)
    return 0
