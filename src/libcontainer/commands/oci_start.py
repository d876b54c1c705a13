# SPDX-License-Identifier: Apache-2.0
"""``libcontainer create``, ``run`` and ``start``."""

from __future__ import annotations

import os

from attrs import evolve

from libcontainer.commands.exec_options import is_callers, preserved_fds
from libcontainer.commands.foreground import Signals, caller_size, stand_in
from libcontainer.commands.milestones import IS_INIT, after, before
from libcontainer.commands.oci_common import (
    absolute,
    check_console,
    load,
    open_factory,
    read_bundle,
    warn_of_last_hooks,
    write_pid_file,
)
from libcontainer.commands.options import Arguments
from libcontainer.commands.subreaper import become_subreaper
from libcontainer.config import Config, IdMapping, NamespaceType
from libcontainer.container import Container
from libcontainer.errors import ConfigError, HookError, Problem, UnsupportedError
from libcontainer.factory import Factory
from libcontainer.process import Process

_FIRST_FD = 3
_MAX_FDS = 1024
# crun's other word for --pidfd-socket.
_PIDFD_RECEIVER = "run.oci.pidfd_receiver"


def create(arguments: Arguments) -> int:
    """Make a container whose program waits for `start`."""
    with open_factory(arguments) as factory:
        container, process = _make(factory, arguments, leaves=True)
        try:
            handle = container.prepare(process)
            after(arguments, IS_INIT)
            write_pid_file(handle, arguments)
        except BaseException:
            container.delete(force=True)
            raise
    return 0


def start(arguments: Arguments) -> int:
    """Let the program of a created container run."""
    with open_factory(arguments) as factory:
        container = load(factory, arguments)
        try:
            _start(container)
        except HookError:
            # "... and continue the lifecycle at step 12", where it is destroyed.
            container.delete(force=True)
            raise
    return 0


def _start(container: Container) -> None:
    if not os.environ.get("NOTIFY_SOCKET"):
        container.start()
        return
    from libcontainer.commands.oci_notify import Listener  # noqa: PLC0415 - few

    with Listener(container) as listener:
        container.start()
        listener.wait()


def run(arguments: Arguments) -> int:
    """Make a container and run its program, in the foreground or not."""
    if not arguments.no_subreaper and not arguments.detach:
        become_subreaper()
    with open_factory(arguments) as factory:
        container, process = _make(factory, arguments, leaves=arguments.detach)
        try:
            if arguments.detach:
                handle = container.run(process)
                after(arguments, IS_INIT)
                write_pid_file(handle, arguments)
                return 0
            return _foreground(container, process, arguments)
        except BaseException:
            container.delete(force=True)
            raise


def _foreground(container: Container, process: Process, arguments: Arguments) -> int:
    with Signals() as signals:
        if process.terminal:
            process = evolve(
                process, console_size=process.console_size or caller_size()
            )
        handle = container.prepare(process)
        after(arguments, IS_INIT)
        handle.make_relay().normalise()
        write_pid_file(handle, arguments)
        try:
            container.start()
        except HookError:
            # What it has said is in the container's terminal, if that has one.
            stand_in(handle, signals)
            raise
        status = stand_in(handle, signals).shell
    if not arguments.keep:
        container.delete(force=True)
    return status


def _make(
    factory: Factory, arguments: Arguments, *, leaves: bool
) -> tuple[Container, Process]:
    bundle = read_bundle(arguments)
    if bundle.process is None:
        raise ConfigError([Problem("process", "is required to start a container")])
    check_console(arguments, terminal=bool(bundle.process.terminal), leaves=leaves)
    listen = _listen_fds()
    process = evolve(
        bundle.process,
        pass_fds=preserved_fds(arguments.preserve_fds, _FIRST_FD + len(listen)),
        listen_fds=listen,
        console_socket=absolute(arguments.console_socket),
        pidfd_socket=absolute(
            arguments.pidfd_socket or dict(bundle.annotations).get(_PIDFD_RECEIVER)
        ),
    )
    warn_of_last_hooks(bundle.config.hooks, arguments)
    for warning in bundle.warnings:
        if warning.path.startswith("process.capabilities"):
            arguments.warn(str(warning))
        else:
            arguments.tell(f"warning: {warning}")
    config = _config(bundle.config, arguments)
    if arguments.command == "create" and os.environ.get("NOTIFY_SOCKET"):
        from libcontainer.commands.oci_notify import heard, prepare  # noqa: PLC0415

        container = factory.create(arguments.id, heard(config))
        process = prepare(container, process)
    else:
        container = factory.create(arguments.id, config)
    if arguments.debug:
        for line in container.explain(process).splitlines():
            arguments.tell(line)
        before(arguments, container.config, process)
    return container, process


def _config(config: Config, arguments: Arguments) -> Config:
    notify = os.environ.get("NOTIFY_SOCKET") if arguments.command == "run" else None
    return evolve(
        _with_ids(config, arguments),
        no_pivot_root=arguments.no_pivot,
        keyring=not arguments.no_new_keyring,
        notify_socket=notify or None,
    )


def _with_ids(config: Config, arguments: Arguments) -> Config:
    """Return it with ids for its user namespace, where nobody has said any.

    A user gets those of /etc/subuid; so does root, or else its own id alone.
    """
    kind = NamespaceType.USER
    if kind not in config.namespaces or config.uid_mappings or config.gid_mappings:
        return config
    if any(joined is kind for joined, _ in config.namespace_paths):
        return config
    from libcontainer.host.subids import subid_mappings  # noqa: PLC0415 - rare

    try:
        subid_mappings()
    except UnsupportedError:
        arguments.warn("a user namespace without id maps: 0 is the caller, alone")
        own = (os.geteuid(), os.getegid())
        uids, gids = ((IdMapping(0, host_id, 1),) for host_id in own)
        return evolve(config, uid_mappings=uids, gid_mappings=gids)
    return config


def _listen_fds() -> tuple[tuple[str, int], ...]:
    """Return the sockets that a service manager passed to us (sd_listen_fds(3))."""
    # Engines pass them on and cannot know our pid: they say none, or 1.
    if os.environ.get("LISTEN_PID", "1") not in {"1", str(os.getpid())}:
        return ()
    text = os.environ.get("LISTEN_FDS", "")
    count = int(text) if text.isascii() and text.isdigit() else 0
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    names += ["unknown"] * (count - len(names))
    fds = range(_FIRST_FD, _FIRST_FD + min(count, _MAX_FDS))
    return tuple(
        (names[at] or "unknown", fd) for at, fd in enumerate(fds) if is_callers(fd)
    )
