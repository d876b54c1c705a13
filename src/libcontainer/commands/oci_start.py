# SPDX-License-Identifier: Apache-2.0
"""``libcontainer create``, ``run`` and ``start``."""

from __future__ import annotations

import os

from attrs import evolve

from libcontainer.commands.exec_options import preserved_fds
from libcontainer.commands.foreground import Signals, caller_size, stand_in
from libcontainer.commands.oci_common import (
    check_console,
    load,
    open_factory,
    write_pid_file,
)
from libcontainer.commands.subreaper import become_subreaper
from libcontainer.config import Config
from libcontainer.container import Container
from libcontainer.errors import ConfigError, Problem
from libcontainer.factory import Factory
from libcontainer.oci import load_bundle
from libcontainer.process import Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def create(arguments: argparse.Namespace) -> int:
    """Make a container whose program waits for `start`."""
    with open_factory(arguments) as factory:
        container, process = _make(factory, arguments, leaves=True)
        try:
            write_pid_file(container.prepare(process), arguments)
        except BaseException:
            container.delete(force=True)
            raise
    return 0


def start(arguments: argparse.Namespace) -> int:
    """Let the program of a created container run."""
    with open_factory(arguments) as factory:
        load(factory, arguments).start()
    return 0


def run(arguments: argparse.Namespace) -> int:
    """Make a container and run its program, in the foreground or not."""
    if not arguments.no_subreaper and not arguments.detach:
        become_subreaper()
    with open_factory(arguments) as factory:
        container, process = _make(factory, arguments, leaves=arguments.detach)
        try:
            if arguments.detach:
                write_pid_file(container.run(process), arguments)
                return 0
            return _foreground(container, process, arguments)
        except BaseException:
            container.delete(force=True)
            raise


def _foreground(
    container: Container, process: Process, arguments: argparse.Namespace
) -> int:
    with Signals() as signals:
        if process.terminal:
            process = evolve(
                process, console_size=process.console_size or caller_size()
            )
        handle = container.prepare(process)
        handle.make_relay().normalise()
        write_pid_file(handle, arguments)
        container.start()
        status = stand_in(handle, signals).shell
    if not arguments.keep:
        container.delete(force=True)
    return status


def _make(
    factory: Factory, arguments: argparse.Namespace, *, leaves: bool
) -> tuple[Container, Process]:
    bundle = load_bundle(arguments.bundle, arguments.config)
    if bundle.process is None:
        raise ConfigError([Problem("process", "is required to start a container")])
    check_console(arguments, terminal=bool(bundle.process.terminal), leaves=leaves)
    process = evolve(
        bundle.process,
        pass_fds=preserved_fds(arguments.preserve_fds),
        listen_fds=_listen_fds(),
        console_socket=arguments.console_socket,
        pidfd_socket=arguments.pidfd_socket,
    )
    container = factory.create(arguments.id, _config(bundle.config, arguments))
    return container, process


def _config(config: Config, arguments: argparse.Namespace) -> Config:
    notify = os.environ.get("NOTIFY_SOCKET") if arguments.command == "run" else None
    return evolve(
        config,
        no_pivot_root=arguments.no_pivot,
        keyring=not arguments.no_new_keyring,
        notify_socket=notify or None,
    )


def _listen_fds() -> tuple[tuple[str, int], ...]:
    """Return the sockets that a service manager passed to us (sd_listen_fds(3))."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return ()
    count = int(os.environ.get("LISTEN_FDS", "0"))
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    names += ["unknown"] * (count - len(names))
    return tuple((names[at] or "unknown", 3 + at) for at in range(count))
