# SPDX-License-Identifier: Apache-2.0
"""``libcontainer kill``, ``delete``, ``pause``, ``resume``, ``wait`` and ``gc``."""

from __future__ import annotations

import contextlib
import os
import signal as signals

from libcontainer.commands.oci_common import load, matching, open_factory
from libcontainer.container import Container
from libcontainer.errors import ContainerNotFoundError
from libcontainer.handle import signal_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def kill(arguments: argparse.Namespace) -> int:
    """Send a signal."""
    number = signal_number(arguments.signal)
    with open_factory(arguments) as factory:
        if arguments.regex:
            found = matching(factory, arguments.id)
        else:
            found = [load(factory, arguments)]
        for container in found:
            if arguments.all:
                _signal_all(container, number)
            else:
                container.signal(number)
    return 0


def _signal_all(container: Container, number: int) -> None:
    # A process may begin another between two looks: until none is new.
    seen: set[int] = set()
    while new := set(container.processes()) - seen:
        for host_pid in new:
            with contextlib.suppress(ProcessLookupError):
                pidfd = os.pidfd_open(host_pid)
                try:
                    # The number may have become another's before we held it.
                    if host_pid in container.processes():
                        signals.pidfd_send_signal(pidfd, number)
                finally:
                    os.close(pidfd)
        seen |= new


def delete(arguments: argparse.Namespace) -> int:
    """Remove containers."""
    with open_factory(arguments) as factory:
        if arguments.regex:
            for container in matching(factory, arguments.id):
                container.delete(force=arguments.force)
            return 0
        try:
            load(factory, arguments).delete(force=arguments.force)
        except ContainerNotFoundError:
            # Engines make sure twice.
            if not arguments.force:
                raise
    return 0


def pause(arguments: argparse.Namespace) -> int:
    """Freeze every process."""
    with open_factory(arguments) as factory:
        load(factory, arguments).pause()
    return 0


def resume(arguments: argparse.Namespace) -> int:
    """Let every process go on."""
    with open_factory(arguments) as factory:
        load(factory, arguments).resume()
    return 0


def wait(arguments: argparse.Namespace) -> int:
    """Wait for the end and print the exit status, as a shell has it."""
    with open_factory(arguments) as factory:
        print(load(factory, arguments).wait().shell)
    return 0


def recover(arguments: argparse.Namespace) -> int:
    """Remove what crashed creators left."""
    with open_factory(arguments) as factory:
        for container_id in factory.recover():
            print(container_id)
    return 0
