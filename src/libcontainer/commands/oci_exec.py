# SPDX-License-Identifier: Apache-2.0
"""``libcontainer exec``: a further program in a container."""

from __future__ import annotations

from types import SimpleNamespace

from attrs import evolve

from libcontainer.commands.exec_options import process_of
from libcontainer.commands.foreground import Signals, caller_size, stand_in
from libcontainer.commands.oci_common import (
    check_console,
    load,
    open_factory,
    write_pid_file,
)
from libcontainer.config.report import Report
from libcontainer.config.strict_json import parse_strict_json
from libcontainer.container import Container
from libcontainer.errors import ConfigError
from libcontainer.oci.process import read_process
from libcontainer.process import Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_MAX_FILE = 1024 * 1024


def execute(arguments: argparse.Namespace) -> int:
    """Run a further program; return its exit status, or 0 if it is left alone."""
    with open_factory(arguments) as factory:
        container = load(factory, arguments)
        process = _process(container, arguments)
        check_console(
            arguments, terminal=bool(process.terminal), leaves=arguments.detach
        )
        process = evolve(
            process,
            console_socket=arguments.console_socket,
            pidfd_socket=arguments.pidfd_socket,
        )
        if process.terminal and not arguments.detach:
            process = evolve(
                process, console_size=process.console_size or caller_size()
            )
        with Signals() as signals:
            handle = container.exec(process, ignore_paused=arguments.ignore_paused)
            write_pid_file(handle, arguments)
            if arguments.detach:
                return 0
            return stand_in(handle, signals).shell


def _process(container: Container, arguments: argparse.Namespace) -> Process:
    args = arguments.args[1:] if arguments.args[:1] == ["--"] else arguments.args
    if arguments.process is None:
        if not args:
            message = "a command is needed, or --process"
            raise ValueError(message)
        return process_of(arguments, args, container.config)
    with open(arguments.process, "rb") as file:
        document = parse_strict_json(file.read(_MAX_FILE), arguments.process)
    report = Report()
    process = read_process(document, report, Report())
    if process is None:
        raise ConfigError(report.problems)
    values = {**vars(arguments), "process": None}
    options: argparse.Namespace = SimpleNamespace(**values)  # type: ignore[assignment]
    given = process_of(options, process.args, container.config)
    changes = {
        name: getattr(given, name)
        for name in ("terminal", "user", "cwd", "pass_fds")
        if getattr(given, name)
    }
    return evolve(process, **changes)
