# SPDX-License-Identifier: Apache-2.0
"""``libcontainer exec``: a further program in a container."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from attrs import evolve

from libcontainer.commands.exec_options import process_of
from libcontainer.commands.foreground import Signals, caller_size, stand_in
from libcontainer.commands.milestones import IS_EXEC, after, before
from libcontainer.commands.oci_common import (
    absolute,
    check_console,
    load,
    open_factory,
    read_json,
    write_pid_file,
)
from libcontainer.commands.options import Arguments
from libcontainer.config import CAPABILITY_NUMBERS
from libcontainer.config.report import Report
from libcontainer.container import Container
from libcontainer.errors import ConfigError
from libcontainer.oci.process import read_process
from libcontainer.process import Process


def execute(arguments: Arguments) -> int:
    """Run a further program; return its exit status, or 0 if it is left alone."""
    with open_factory(arguments) as factory:
        container = load(factory, arguments)
        process = _process(container, arguments)
        check_console(
            arguments, terminal=bool(process.terminal), leaves=arguments.detach
        )
        process = evolve(
            process,
            console_socket=absolute(arguments.console_socket),
            pidfd_socket=absolute(arguments.pidfd_socket),
            cgroup=_cgroup(arguments.cgroup or ()),
            wait_fifo=absolute(arguments.exec_wait_fifo),
        )
        if process.terminal and not arguments.detach:
            process = evolve(
                process, console_size=process.console_size or caller_size()
            )
        with Signals() as signals:
            before(arguments, container.config, process)
            handle = container.exec(process, ignore_paused=arguments.ignore_paused)
            after(arguments, IS_EXEC)
            write_pid_file(handle, arguments)
            if arguments.detach:
                return 0
            return stand_in(handle, signals).shell


def _is_known(name: str) -> bool:
    # A capability of a newer kernel is passed over, as in a bundle.
    known = f"CAP_{name.upper().removeprefix('CAP_')}" in CAPABILITY_NUMBERS
    if not known:
        print(f"libcontainer: there is no capability {name!r}", file=sys.stderr)
    return known


def _cgroup(words: Sequence[str]) -> str | None:
    """Return the cgroups below the container's that options name, or None."""
    found = []
    for word in words:
        controllers, colon, path = word.rpartition(":")
        if ".." in path.split("/"):
            message = f"bad sub cgroup path: {path!r} leaves the container's"
            raise ValueError(message)
        path = "/".join(part for part in path.split("/") if part)
        # What is named is meant: nothing else where v2 takes no processes in it.
        found.append(f"{controllers}{colon}{path or ('' if colon else '.')}")
    return ";".join(found) or None


def _process(container: Container, arguments: Arguments) -> Process:
    args = arguments.args[1:] if arguments.args[:1] == ["--"] else arguments.args
    names = arguments.process_capabilities
    arguments.process_capabilities = names and list(filter(_is_known, names))
    if arguments.process is None:
        if not args:
            message = "a command is needed, or --process"
            raise ValueError(message)
        return _with_group(process_of(arguments, args, container.config), container)
    document = read_json(arguments.process)
    report = Report()
    process = read_process(document, report, Report())
    if process is None:
        raise ConfigError(report.problems)
    options = Arguments(**{**vars(arguments), "process": None})
    given = _with_group(process_of(options, process.args, container.config), container)
    changes = {
        name: getattr(given, name)
        for name in ("terminal", "user", "cwd", "pass_fds")
        if getattr(given, name)
    }
    return evolve(process, **changes)


def _with_group(process: Process, container: Container) -> Process:
    """Return it with the group of the container's program for a user that is a number.

    The image may say another: who gives numbers does not ask it.
    """
    user = process.user
    if user is None or not (user.isascii() and user.isdigit()):
        return process
    _, colon, group = container.config.user.partition(":")
    return evolve(process, user=f"{user}:{group}") if colon else process
