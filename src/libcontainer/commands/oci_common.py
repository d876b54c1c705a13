# SPDX-License-Identifier: Apache-2.0
"""What the commands of an OCI runtime share."""

from __future__ import annotations

import re

from libcontainer.container import Container
from libcontainer.factory import Factory, is_rootless
from libcontainer.handle import ProcessHandle

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def open_factory(arguments: argparse.Namespace) -> Factory:
    """Return the factory that the global options mean."""
    cgroups = arguments.cgroup_manager
    if cgroups == "cgroupfs" and is_rootless():
        # Engines of an ordinary user ask for it where there can be none.
        cgroups = "auto"
    return Factory(arguments.root, cgroups=cgroups)


def load(factory: Factory, arguments: argparse.Namespace) -> Container:
    """Return the container that a command names."""
    return factory.load(arguments.id)


def matching(factory: Factory, expression: str) -> list[Container]:
    """Return every container whose whole id an expression matches."""
    try:
        pattern = re.compile(expression)
    except re.error as error:
        message = f"not a regular expression: {expression!r}: {error}"
        raise ValueError(message) from error
    return [box for box in factory.list() if pattern.fullmatch(box.id)]


def write_pid_file(handle: ProcessHandle, arguments: argparse.Namespace) -> None:
    """Write the pid where the engine wants it."""
    if arguments.pid_file is not None:
        handle.write_pid_file(arguments.pid_file)


def check_console(
    arguments: argparse.Namespace, *, terminal: bool, leaves: bool
) -> None:
    """Refuse a terminal that nobody would hold, and a socket that gets none.

    Raises:
        ValueError: of the two, one is there without the other.
    """
    if terminal and leaves and arguments.console_socket is None:
        message = "cannot allocate a terminal for who detaches without --console-socket"
        raise ValueError(message)
    if arguments.console_socket is not None and not (terminal and leaves):
        message = "--console-socket needs a terminal, and a command that detaches"
        raise ValueError(message)
