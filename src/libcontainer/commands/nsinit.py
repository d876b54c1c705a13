# SPDX-License-Identifier: Apache-2.0
"""``nsinit``: the command of the 2014 libcontainer, on the same library.

It reads ``container.json`` from the data path: the environment variable
``data_path``, or the current directory. The rootfs is the current directory.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence

from attrs import evolve, frozen

from libcontainer.commands import nsinit_cgroup, nsinit_checkpoint, nsinit_stats
from libcontainer.commands.argparsed import add_to
from libcontainer.commands.described import config_here
from libcontainer.commands.exec_options import PROCESS, process_of
from libcontainer.commands.foreground import (
    Ended,
    Signals,
    caller_size,
    stand_in,
    stand_in_attached,
)
from libcontainer.commands.nsinit_checkpoint import add_commands
from libcontainer.commands.standard import fill
from libcontainer.commands.subreaper import become_subreaper
from libcontainer.config import Device
from libcontainer.config.container_json import (
    ContainerJson,
    config_from_container_json,
    parse_container_json,
    to_container_json,
)
from libcontainer.container import Container
from libcontainer.errors import (
    ContainerExistsError,
    ContainerNotFoundError,
    LibcontainerError,
    UnsupportedError,
)
from libcontainer.factory import Factory
from libcontainer.handle import ProcessHandle
from libcontainer.host.keys import DEFAULT_KEYS
from libcontainer.process import Process
from libcontainer.status import Status

_CONTAINER_JSON = "container.json"
_STATE_JSON = "state.json"
_NEW_STATE = ".state.json.new"
_MAX_CONFIG = 16 * 1024 * 1024
_FAILED = 1
_MKNOD_ARGS = 4
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``nsinit``; return its exit status."""
    fill()
    arguments = _parser().parse_args(argv)
    try:
        with _log():
            return int(arguments.run(arguments))
    except (LibcontainerError, OSError, ValueError) as error:
        from libcontainer.commands.phrases import plain  # noqa: PLC0415 - rare

        _say(f"nsinit: {plain(error)}")
        return _FAILED
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nsinit",
        description="Run a command in the container that container.json describes.",
        epilog="environment: data_path is the folder of container.json and"
        " state.json (default: the current directory), log a file for messages",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    execute = commands.add_parser(
        "exec", help="run a command in a new container, or in the running one"
    )
    execute.add_argument("--list", action="store_true", help="list the functions")
    execute.add_argument("--func", default="exec", help="function to run inside")
    add_to(execute, PROCESS)
    execute.add_argument(
        "--detach", action="store_true", help="return once the command runs"
    )
    execute.add_argument("--pid-file", metavar="FILE", help="write its host pid there")
    execute.add_argument(
        "--console-socket", metavar="SOCKET", help="send its terminal's master there"
    )
    execute.add_argument("args", nargs=argparse.REMAINDER, metavar="COMMAND")
    execute.set_defaults(run=_exec)
    attach = commands.add_parser("attach", help="attach to a detached container")
    attach.add_argument(
        "--detach-keys", default=DEFAULT_KEYS, help=f"default: {DEFAULT_KEYS}"
    )
    attach.set_defaults(run=_attach)
    show = commands.add_parser("config", help="print the configuration as it is read")
    show.set_defaults(run=_config)
    nsinit_stats.add_commands(commands, _with_container)
    nsinit_cgroup.add_commands(commands)
    add_commands(commands.add_parser)
    commands.choices["checkpoint"].set_defaults(run=_checkpoint)
    commands.choices["restore"].set_defaults(run=_restore)
    return parser


def _with_container(run: nsinit_stats.Run) -> Callable[[argparse.Namespace], int]:
    def bound(arguments: argparse.Namespace) -> int:
        with Factory() as factory:
            return run(factory.load(_container_id()), arguments)

    return bound


def _exec(arguments: argparse.Namespace) -> int:
    if arguments.list:
        print("NAME\tUSAGE")
        for name, function in _FUNCTIONS.items():
            print(f"{name}\t{function.usage}")
        return 0
    if arguments.func not in _FUNCTIONS:
        need = f"one of {', '.join(_FUNCTIONS)} in this release"
        raise UnsupportedError(f"function {arguments.func!r}", need)
    args = arguments.args[1:] if arguments.args[:1] == ["--"] else arguments.args
    become_subreaper()
    with Factory() as factory:
        container = _running(factory)
        if container is not None:
            return _FUNCTIONS[arguments.func].run(container, arguments, args)
        if arguments.func != "exec":
            message = f"function {arguments.func!r} needs a running container"
            raise ValueError(message)
        return _create(factory, arguments, args)


def _create(
    factory: Factory, arguments: argparse.Namespace, args: Sequence[str]
) -> int:
    description = _read_config()
    config = config_here(description)
    process_of(arguments, args, config)
    for warning in description.warnings:
        _say(f"nsinit: warning: {warning}")
    try:
        container = factory.create(_container_id(), config)
    except ContainerExistsError:
        # What an earlier nsinit left when it was killed, or detached from.
        factory.load(_container_id()).delete()
        container = factory.create(_container_id(), config)
    begun = container.pause if description.frozen else None
    if arguments.detach:
        return _detach(container, arguments, args, begun)
    return _run(container, arguments, args, begun)


def _run(
    container: Container,
    arguments: argparse.Namespace,
    args: Sequence[str],
    begun: Callable[[], None] | None,
) -> int:
    with container, Signals() as signals:
        # The terminal has its mode and its size before the program sees it.
        handle = container.prepare(_process(container, arguments, args))
        handle.make_relay().normalise()
        container.start()
        _write_pid_file(handle, arguments)
        _write_state(container)
        if begun is not None:
            begun()
        try:
            return stand_in(handle, signals).shell
        finally:
            _remove_state()


def _detach(
    container: Container,
    arguments: argparse.Namespace,
    args: Sequence[str],
    begun: Callable[[], None] | None,
) -> int:
    try:
        process = _process(container, arguments, args)
        if not _has_terminal(container, process):
            # Its streams are ours, as other runtimes have it.
            process = evolve(process, stdin=0, stdout=1, stderr=2)
        _write_pid_file(container.run(process, detach=True), arguments)
        if begun is not None:
            begun()
    except BaseException:
        container.delete(force=True)
        raise
    _write_state(container)
    return 0


def _process(
    container: Container, arguments: argparse.Namespace, args: Sequence[str]
) -> Process:
    process = process_of(arguments, args, container.config)
    process = evolve(process, console_socket=arguments.console_socket)
    if _has_terminal(container, process):
        return evolve(process, console_size=process.console_size or caller_size())
    return process


def _has_terminal(container: Container, process: Process) -> bool:
    own = process.terminal
    return container.config.terminal if own is None else own


def _write_pid_file(handle: ProcessHandle, arguments: argparse.Namespace) -> None:
    if arguments.pid_file is not None:
        handle.write_pid_file(arguments.pid_file)


def _join(
    container: Container, arguments: argparse.Namespace, args: Sequence[str]
) -> int:
    with Signals() as signals:
        handle = container.exec(
            _process(container, arguments, args),
            ignore_paused=arguments.ignore_paused,
        )
        try:
            _write_pid_file(handle, arguments)
            return 0 if arguments.detach else stand_in(handle, signals).shell
        finally:
            handle.close()


def _attach(arguments: argparse.Namespace) -> int:
    with Factory() as factory, Signals() as signals:
        container = factory.load(_container_id())
        with container.attach() as attachment:
            try:
                ended = stand_in_attached(attachment, signals, arguments.detach_keys)
            except Ended as end:
                return 128 + end.number
        return container.wait().shell if ended else 0


def _mknod(
    container: Container, arguments: argparse.Namespace, args: Sequence[str]
) -> int:
    if len(args) != _MKNOD_ARGS:
        message = "mknod takes a path, a type, a major and a minor number"
        raise ValueError(message)
    path, kind, major, minor = args
    container.mknod(Device(path, kind, int(major), int(minor)))
    return 0


def _ip(
    container: Container, arguments: argparse.Namespace, args: Sequence[str]
) -> int:
    if args:
        message = "ip takes no arguments"
        raise ValueError(message)
    command = [sys.executable, "-m", "libcontainer.commands.interfaces"]
    with container.exec_host(command, namespaces={"network"}) as process:
        return process.wait().shell


@frozen
class _Function:
    """What ``exec --func`` can do in a running container."""

    usage: str
    run: Callable[[Container, argparse.Namespace, Sequence[str]], int]


_FUNCTIONS = {
    "exec": _Function("execute a command in the container", _join),
    "mknod": _Function("make a device node: path, type, major, minor", _mknod),
    "ip": _Function("list the network interfaces", _ip),
}


def _config(arguments: argparse.Namespace) -> int:
    print(to_container_json(_read_config().document))
    return 0


def _checkpoint(arguments: argparse.Namespace) -> int:
    with Factory() as factory:
        nsinit_checkpoint.checkpoint(factory.load(_container_id()), arguments)
    return 0


def _restore(arguments: argparse.Namespace) -> int:
    config = config_here(_read_config())
    become_subreaper()
    with Factory() as factory:
        if _container_id() in factory:
            factory.load(_container_id()).delete()
        try:
            return nsinit_checkpoint.restore(
                factory, _container_id(), config, arguments, _write_state
            )
        finally:
            _remove_state()


def _running(factory: Factory) -> Container | None:
    """Return the container of this data path, if it runs.

    It is found by the path, in the factory's own folder: state.json may lie in
    the rootfs, where the container itself can write.
    """
    try:
        container = factory.load(_container_id())
        running = container.status() is Status.RUNNING
    except ContainerNotFoundError:
        return None
    return container if running else None


def _container_id() -> str:
    path = os.path.realpath(_data_path())
    return "nsinit-" + hashlib.sha256(os.fsencode(path)).hexdigest()[:32]


def _data_path() -> str:
    # In lower case, as the command had it in 2014.
    return os.environ.get("data_path") or os.getcwd()  # noqa: SIM112


def _read_config() -> ContainerJson:
    path = f"{_data_path()}/{_CONTAINER_JSON}"
    with open(path, "rb") as file:
        data = file.read(_MAX_CONFIG + 1)
    return config_from_container_json(parse_container_json(data), os.getcwd())


def _write_state(container: Container) -> None:
    document = nsinit_stats.state_document(container)
    if not document:
        return
    # A new file and a rename: the container may have put a symlink there.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with _data_folder() as folder:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_NEW_STATE, dir_fd=folder)
        fd = os.open(_NEW_STATE, flags, 0o644, dir_fd=folder)
        with open(fd, "w") as file:
            json.dump(document, file)
        os.rename(_NEW_STATE, _STATE_JSON, src_dir_fd=folder, dst_dir_fd=folder)


def _remove_state() -> None:
    with _data_folder() as folder, contextlib.suppress(FileNotFoundError):
        os.unlink(_STATE_JSON, dir_fd=folder)


@contextlib.contextmanager
def _data_folder() -> Iterator[int]:
    fd = os.open(_data_path(), _DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def _log() -> Iterator[None]:
    path = os.environ.get("log")  # noqa: SIM112 - its name since 2014
    if not path:
        yield
        return
    with open(path, "a") as file, contextlib.redirect_stderr(file):
        yield


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
