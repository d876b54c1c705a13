# SPDX-License-Identifier: Apache-2.0
"""The options and arguments of each command, told to whoever reads command lines."""

from __future__ import annotations

from libcontainer.commands.words import REST

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from libcontainer.commands.words import Words

    Parser = argparse.ArgumentParser | Words

SUPPRESS = "==SUPPRESS=="
"""``argparse.SUPPRESS``, without loading it."""


def add_global(parser: Parser) -> None:
    """Declare what stands before the command."""
    parser.add_argument("--root", metavar="DIR", help="where containers are kept")
    parser.add_argument("--log", metavar="FILE", help="write messages there")
    parser.add_argument("--log-format", choices=("text", "json"), default="text")
    parser.add_argument("--log-level", metavar="LEVEL", help=SUPPRESS)
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
    parser.add_argument("--criu", metavar="PATH", help=SUPPRESS)


def add_ids(parser: Parser) -> None:
    """Declare the id, and nothing else."""
    parser.add_argument("id", metavar="ID")


def add_start(parser: Parser, *, runs: bool) -> None:
    """Declare what ``create``, ``run`` and ``restore`` take."""
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


def add_exec(parser: Parser) -> None:
    """Declare what ``exec`` takes."""
    from libcontainer.commands.exec_options import add_options  # noqa: PLC0415

    add_options(parser)
    parser.add_argument("-d", "--detach", action="store_true")
    parser.add_argument("--pid-file", metavar="FILE", help="write its host pid there")
    parser.add_argument("--console-socket", metavar="SOCKET")
    parser.add_argument("--pidfd-socket", metavar="SOCKET")
    parser.add_argument("--no-subreaper", action="store_true", help=SUPPRESS)
    parser.add_argument("--cgroup", metavar="PATH", help=SUPPRESS)
    parser.add_argument("id", metavar="ID")
    parser.add_argument("args", nargs=REST, metavar="COMMAND")
    # So that a program's own status 1 is told apart from ours.
    parser.set_defaults(failed=255)


def add_kill(parser: Parser) -> None:
    """Declare what ``kill`` takes."""
    parser.add_argument("-a", "--all", action="store_true", help="to all its processes")
    parser.add_argument("-r", "--regex", action="store_true", help="ID: an expression")
    parser.add_argument("id", metavar="ID")
    parser.add_argument("signal", nargs="?", default="SIGTERM", metavar="SIGNAL")


def add_delete(parser: Parser) -> None:
    """Declare what ``delete`` takes."""
    parser.add_argument("-f", "--force", action="store_true", help="kill it first")
    parser.add_argument("-r", "--regex", action="store_true", help="ID: an expression")
    parser.add_argument("id", metavar="ID")


def add_control(add: Callable[[str, str], Parser]) -> None:
    """Declare what the commands take that control a container."""
    add_kill(add("kill", "send a signal to the first process of a container"))
    add_delete(add("delete", "remove a container"))
    for name, what in (
        ("pause", "freeze every process of a container"),
        ("resume", "let the processes of a paused container go on"),
        ("wait", "wait for the end of a container and print its exit status"),
    ):
        add_ids(add(name, what))
    add("gc", "remove what crashed creators left, and print its ids")


def add_checkpoint(add: Callable[[str, str], Parser], words: Sequence[str]) -> None:
    """Declare what ``checkpoint`` and ``restore`` take."""
    taken = add("checkpoint", "write the processes of a container to an image")
    back = add("restore", "make a container of an image and let it go on")
    # As for exec: the options come from the classes that read them.
    if {"checkpoint", "restore"} & set(words):
        from libcontainer.commands.oci_checkpoint import add_options  # noqa: PLC0415

        add_options(taken, restores=False)
        add_options(back, restores=True)
    taken.add_argument("id", metavar="ID")
    add_start(back, runs=True)


def add_update(parser: Parser) -> None:
    """Declare what ``update`` takes."""
    from libcontainer.commands.oci_update import add_options  # noqa: PLC0415

    add_options(parser)
    parser.add_argument("id", metavar="ID")


def add_shows(add: Callable[[str, str], Parser]) -> None:
    """Declare what the commands take that show something."""
    add_ids(add("state", "print the state of a container as JSON"))
    show = add("list", "list the containers")
    show.add_argument("-f", "--format", choices=("table", "json"), default="table")
    show.add_argument("-q", "--quiet", action="store_true", help="the ids alone")
    ps = add("ps", "list the processes of a container")
    ps.add_argument("-f", "--format", choices=("table", "json"), default="table")
    ps.add_argument("id", metavar="ID")
    ps.add_argument("options", nargs=REST, metavar="PS OPTIONS")
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
