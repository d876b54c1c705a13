# SPDX-License-Identifier: Apache-2.0
"""``libcontainer``: the command line of an OCI runtime.

podman, containerd, Docker and others call a runtime with these words; its exit
status, its files and its messages are what they read. On an error nothing is on
standard output.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from libcontainer._version import __version__
from libcontainer.commands.log import Log
from libcontainer.errors import LibcontainerError

SPEC_VERSION: Final = "1.3.0"
_FAILED: Final = 1

Command = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``libcontainer``; return its exit status."""
    words = sys.argv[1:] if argv is None else argv
    arguments = _parser(words).parse_args(words)
    log = Log(arguments.log, arguments.log_format, debug=arguments.debug)
    try:
        return _command(arguments.command)(arguments)
    except (LibcontainerError, OSError, ValueError) as error:
        log.failed(error)
        return int(getattr(arguments, "failed", _FAILED))
    except KeyboardInterrupt:
        return 130


def _command(name: str) -> Command:
    # Each is loaded when it is asked for: most of their time is loading.
    from importlib import import_module  # noqa: PLC0415

    module, function = _COMMANDS[name]
    loaded = import_module(f"libcontainer.commands.{module}")
    found: Command = getattr(loaded, function)
    return found


_COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "create": ("oci_start", "create"),
    "run": ("oci_start", "run"),
    "start": ("oci_start", "start"),
    "exec": ("oci_exec", "execute"),
    "kill": ("oci_control", "kill"),
    "delete": ("oci_control", "delete"),
    "pause": ("oci_control", "pause"),
    "resume": ("oci_control", "resume"),
    "checkpoint": ("oci_checkpoint", "checkpoint"),
    "restore": ("oci_checkpoint", "restore"),
    "update": ("oci_update", "update"),
    "wait": ("oci_control", "wait"),
    "gc": ("oci_control", "recover"),
    "state": ("oci_show", "state"),
    "list": ("oci_show", "show_list"),
    "ps": ("oci_show", "ps"),
    "events": ("oci_events", "events"),
    "spec": ("oci_spec", "spec"),
    "features": ("oci_spec", "features"),
}


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"libcontainer version {__version__}\nspec: {SPEC_VERSION}")
        parser.exit()


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="libcontainer",
        description="Run containers of OCI bundles.",
        allow_abbrev=False,
    )
    _add_global(parser)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, what: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name, help=what, description=what, allow_abbrev=False
        )

    for name, what in (
        ("create", "make a container whose program waits for start"),
        ("run", "make a container, run its program and delete it"),
    ):
        _add_start(add(name, what), runs=name == "run")
    _add_ids(add("start", "let the program of a created container run"))
    execute = add("exec", "run a further program in a container")
    # What these options are made of takes longer to load than all the rest.
    if "exec" in words:
        _add_exec(execute)
    _add_checkpoint(add, words)
    _add_control(add)
    _add_update(add("update", "change the limits of a container"))
    _add_shows(add)
    return parser


def _add_global(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-v", "--version", action=_Version, nargs=0, help="print it")
    parser.add_argument("--root", metavar="DIR", help="where containers are kept")
    parser.add_argument("--log", metavar="FILE", help="write messages there")
    parser.add_argument("--log-format", choices=("text", "json"), default="text")
    parser.add_argument("--log-level", metavar="LEVEL", help=argparse.SUPPRESS)
    parser.add_argument("--debug", action="store_true", help="tell more")
    parser.add_argument(
        "--cgroup-manager",
        choices=("cgroupfs", "systemd", "disabled"),
        default="cgroupfs",
        help="who makes the cgroups",
    )
    parser.add_argument(
        "--systemd-cgroup",
        dest="cgroup_manager",
        action="store_const",
        const="systemd",
        help="as --cgroup-manager systemd",
    )
    parser.add_argument(
        "--rootless", metavar="BOOL", help="taken and not needed: it is found out"
    )
    parser.add_argument("--criu", metavar="PATH", help=argparse.SUPPRESS)


def _add_ids(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID")


def _add_start(parser: argparse.ArgumentParser, *, runs: bool) -> None:
    parser.add_argument("-b", "--bundle", default=".", metavar="DIR")
    parser.add_argument("-f", "--config", default="config.json", metavar="FILE")
    parser.add_argument("--pid-file", metavar="FILE", help="write its host pid there")
    parser.add_argument("--console-socket", metavar="SOCKET")
    parser.add_argument("--pidfd-socket", metavar="SOCKET")
    parser.add_argument("--preserve-fds", type=int, default=0, metavar="N")
    parser.add_argument("--no-pivot", action="store_true")
    parser.add_argument("--no-new-keyring", action="store_true")
    if runs:
        parser.add_argument("-d", "--detach", action="store_true")
        parser.add_argument("--keep", action="store_true", help="do not delete it")
        parser.add_argument("--no-subreaper", action="store_true")
    parser.add_argument("id", metavar="ID")


def _add_exec(parser: argparse.ArgumentParser) -> None:
    from libcontainer.commands.exec_options import add_options  # noqa: PLC0415

    add_options(parser)
    parser.add_argument("-d", "--detach", action="store_true")
    parser.add_argument("--pid-file", metavar="FILE", help="write its host pid there")
    parser.add_argument("--console-socket", metavar="SOCKET")
    parser.add_argument("--pidfd-socket", metavar="SOCKET")
    parser.add_argument("--no-subreaper", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--cgroup", metavar="PATH", help=argparse.SUPPRESS)
    parser.add_argument("id", metavar="ID")
    parser.add_argument("args", nargs=argparse.REMAINDER, metavar="COMMAND")
    # So that a program's own status 1 is told apart from ours.
    parser.set_defaults(failed=255)


def _add_control(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    kill = add("kill", "send a signal to the first process of a container")
    kill.add_argument("-a", "--all", action="store_true", help="to all its processes")
    kill.add_argument("-r", "--regex", action="store_true", help="ID is an expression")
    kill.add_argument("id", metavar="ID")
    kill.add_argument("signal", nargs="?", default="SIGTERM", metavar="SIGNAL")
    delete = add("delete", "remove a container")
    delete.add_argument("-f", "--force", action="store_true", help="kill it first")
    delete.add_argument(
        "-r", "--regex", action="store_true", help="ID is an expression"
    )
    delete.add_argument("id", metavar="ID")
    for name, what in (
        ("pause", "freeze every process of a container"),
        ("resume", "let the processes of a paused container go on"),
        ("wait", "wait for the end of a container and print its exit status"),
    ):
        _add_ids(add(name, what))
    add("gc", "remove what crashed creators left, and print its ids")


def _add_checkpoint(
    add: Callable[[str, str], argparse.ArgumentParser], words: Sequence[str]
) -> None:
    taken = add("checkpoint", "write the processes of a container to an image")
    back = add("restore", "make a container of an image and let it go on")
    # As for exec: the options come from the classes that read them.
    if {"checkpoint", "restore"} & set(words):
        from libcontainer.commands.oci_checkpoint import add_options  # noqa: PLC0415

        add_options(taken, restores=False)
        add_options(back, restores=True)
    taken.add_argument("id", metavar="ID")
    _add_start(back, runs=True)


def _add_update(parser: argparse.ArgumentParser) -> None:
    from libcontainer.commands.oci_update import add_options  # noqa: PLC0415

    add_options(parser)
    parser.add_argument("id", metavar="ID")


def _add_shows(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    _add_ids(add("state", "print the state of a container as JSON"))
    show = add("list", "list the containers")
    show.add_argument("-f", "--format", choices=("table", "json"), default="table")
    show.add_argument("-q", "--quiet", action="store_true", help="the ids alone")
    ps = add("ps", "list the processes of a container")
    ps.add_argument("-f", "--format", choices=("table", "json"), default="table")
    ps.add_argument("id", metavar="ID")
    ps.add_argument("options", nargs=argparse.REMAINDER, metavar="PS OPTIONS")
    events = add("events", "print what a container uses, as lines of JSON")
    events.add_argument("--stats", action="store_true", help="once, and end")
    events.add_argument("--interval", default="5s", metavar="TIME", help="default: 5s")
    events.add_argument("id", metavar="ID")
    spec = add("spec", "write a config.json to begin with")
    spec.add_argument("-b", "--bundle", default=".", metavar="DIR")
    spec.add_argument("-f", "--config", default="config.json", metavar="FILE")
    spec.add_argument("--rootless", action="store_true", help="for an ordinary user")
    spec.add_argument(
        "--check", action="store_true", help="read one instead and tell what is wrong"
    )
    add("features", "print what this runtime can do as JSON")


def program() -> None:
    """Be the installed command: end at once, nothing of ours needs a shutdown."""
    status = main()
    sys.stdout.flush()
    os._exit(status)


if __name__ == "__main__":
    program()
