# SPDX-License-Identifier: Apache-2.0
"""What the commands of an OCI runtime share."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any

from libcontainer.cgroups.strategy import (
    Cgroupfs,
    CgroupStrategy,
    Placement,
    new_strategy,
)
from libcontainer.commands.options import Arguments
from libcontainer.config import Config
from libcontainer.container import Container
from libcontainer.errors import ConfigError, Problem, StepError, UnsupportedError
from libcontainer.factory import Factory, is_rootless
from libcontainer.handle import ProcessHandle

if TYPE_CHECKING:
    from libcontainer.config import Hooks
    from libcontainer.oci import Bundle

_MAX_FILE = 1024 * 1024
# What the library says that a caller may do, and what that is on a command line.
_OPTIONS = (
    ("Factory(cgroups='systemd')", "--systemd-cgroup"),
    ("a factory with cgroups disabled", "--cgroup-manager=disabled"),
    ("a factory whose cgroups are not disabled", "another --cgroup-manager"),
)


class _Strategy:
    """Decides about cgroups as the global options say; most commands place nothing."""

    def __init__(self, name: str) -> None:
        self.name = name

    def place(self, container_id: str, config: Config) -> Placement:
        """Return where a container's cgroup is to be."""
        try:
            return _strategy(self.name).place(container_id, config)
        except UnsupportedError as error:
            need = error.need
            for call, option in _OPTIONS:
                need = need.replace(call, option)
            raise UnsupportedError(error.feature, need) from error


def open_factory(arguments: Arguments) -> Factory:
    """Return the factory that the global options mean."""
    return Factory(arguments.root, cgroups=_Strategy(arguments.cgroup_manager))


def _strategy(cgroups: str) -> CgroupStrategy:
    if cgroups == "cgroupfs" and is_rootless():
        # Engines of an ordinary user ask for it where there can be none.
        cgroups = "auto"
    if cgroups == "systemd":
        from libcontainer.cgroups.systemd import Systemd  # noqa: PLC0415

        # Who may hand us a bundle may say what it runs, too.
        return Systemd(annotations=True)
    # Who looks for a container's cgroup looks for its id, as other runtimes name it.
    if cgroups == "cgroupfs":
        # What a path has colons for is then a matter of whoever made the bundle.
        return Cgroupfs(prefix="", literal=True)
    return new_strategy(cgroups, prefix="")


def read_json(
    path: str, array: str = "", *, may_be_null: bool = False
) -> dict[str, Any]:
    """Return the object that a file of JSON is; ``-`` is standard input.

    Args:
        path: the file.
        array: at which key the object is to have an array, if the file is one.
        may_be_null: whether null is an empty object.

    Raises:
        OSError: it cannot be read.
        ConfigError: it is no JSON, or too long; with the place.
    """
    from libcontainer.config.strict_json import parse_strict_json  # noqa: PLC0415

    if path == "-":
        data = sys.stdin.buffer.read(_MAX_FILE + 1)
    else:
        with open(path, "rb") as file:
            data = file.read(_MAX_FILE + 1)
    if len(data) > _MAX_FILE:
        raise ConfigError([Problem(path, f"is longer than {_MAX_FILE} bytes")])
    if array and data.lstrip().startswith(b"["):
        data = b'{"%s": %s}' % (array.encode(), data)
    if may_be_null and data.strip() == b"null":
        data = b"{}"
    return parse_strict_json(data, path)


def load(factory: Factory, arguments: Arguments) -> Container:
    """Return the container that a command names."""
    return factory.load(arguments.id)


def matching(factory: Factory, expression: str) -> list[Container]:
    """Return every container in whose id an expression is found, as regexec(3)."""
    try:
        pattern = re.compile(expression)
    except re.error as error:
        message = f"not a regular expression: {expression!r}: {error}"
        raise ValueError(message) from error
    return [box for box in factory.list() if pattern.search(box.id)]


def absolute(path: str | None) -> str | None:
    """Return a path of the command line from the root on."""
    return None if path is None else os.path.abspath(path)


def warn_of_last_hooks(hooks: Hooks, arguments: Arguments) -> None:
    """Tell of hooks of the end that fail: that is no error."""
    if hooks.poststop:
        from libcontainer.host.log import logger  # noqa: PLC0415 - few have any

        logger.hand_to(arguments.warn)


def write_pid_file(handle: ProcessHandle, arguments: Arguments) -> None:
    """Write the pid where the engine wants it.

    Raises:
        StepError: it cannot be written.
    """
    if arguments.pid_file is None:
        return
    try:
        handle.write_pid_file(arguments.pid_file)
    except OSError as error:
        title = f"write --pid-file {arguments.pid_file!r}"
        raise StepError(error.errno or 0, title) from error


def read_bundle(arguments: Arguments) -> Bundle:
    """Return the bundle that the options name.

    Raises:
        StepError: its configuration cannot be read.
        ConfigError: there is something wrong with it.
    """
    from libcontainer.oci import load_bundle  # noqa: PLC0415 - few

    try:
        return load_bundle(arguments.bundle, arguments.config)
    except OSError as error:
        path = os.path.join(arguments.bundle, arguments.config)
        hint = "--bundle names the directory that has it"
        raise StepError(error.errno or 0, f"read {path!r}", hint=hint) from error


def check_console(arguments: Arguments, *, terminal: bool, leaves: bool) -> None:
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
