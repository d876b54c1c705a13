# SPDX-License-Identifier: Apache-2.0
"""The options of ``exec`` that say what a process gets, and the process they mean."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from attrs import evolve, fields

from libcontainer.config import Capabilities, Config
from libcontainer.errors import UnsupportedError
from libcontainer.process import Process

_MAX_FILE = 16 * 1024 * 1024
_FIRST_FD = 3

# Option, field of Process, and the usual arguments of argparse.
_OPTIONS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("--tty", "terminal", {"action": "store_true", "help": "give it a terminal"}),
    ("--user", "user", {"metavar": "USER[:GROUP]", "help": "names or ids of it"}),
    ("--cwd", "cwd", {"metavar": "PATH", "help": "where it starts"}),
    (
        "--env",
        "env",
        {"action": "append", "metavar": "K=V", "help": "a variable more, or another"},
    ),
    (
        "--additional-gids",
        "additional_groups",
        {"action": "append", "metavar": "GID[,GID]", "help": "its groups"},
    ),
    (
        "--cap",
        "capabilities",
        {"action": "append", "metavar": "CAP", "help": "a capability more"},
    ),
    (
        "--no-new-privs",
        "no_new_privs",
        {"action": "store_true", "help": "no set-id program gives it more"},
    ),
    ("--process-label", "process_label", {"metavar": "LABEL", "help": "SELinux label"}),
    ("--apparmor", "apparmor_profile", {"metavar": "PROFILE", "help": "AppArmor's"}),
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from libcontainer.commands.oci_options import Parser

_SHORT = {
    "--tty": "-t",
    "--user": "-u",
    "--env": "-e",
    "--additional-gids": "-g",
    "--cap": "-c",
}


def add_options(parser: Parser) -> None:
    """Add the options of a process to the parser of a command."""
    for option, field, settings in _OPTIONS:
        names = (_SHORT[option], option) if option in _SHORT else (option,)
        parser.add_argument(*names, dest=f"process_{field}", default=None, **settings)
    parser.add_argument(
        "-p",
        "--process",
        metavar="FILE",
        help="read it from a file: OCI process object",
    )
    parser.add_argument(
        "--preserve-fds",
        type=int,
        default=0,
        metavar="N",
        help="it gets the N fds of the caller from 3 on",
    )
    parser.add_argument(
        "--ignore-paused", action="store_true", help="run it in a paused container too"
    )


def process_of(
    options: argparse.Namespace, args: Sequence[str], config: Config
) -> Process:
    """Return the process that the options mean in a container of *config*.

    Raises:
        ValueError: options contradict each other or cannot be read.
        UnsupportedError: this release does not have what an option asks for.
    """
    given = {
        field: value
        for _, field, _ in _OPTIONS
        if (value := getattr(options, f"process_{field}")) is not None
    }
    fds = preserved_fds(options.preserve_fds)
    process = _read(options, args, given) or Process(args, **_wishes(given, config))
    return evolve(process, pass_fds=fds) if fds else process


def preserved_fds(count: int) -> tuple[int, ...]:
    """Return the descriptors that ``--preserve-fds`` means.

    Raises:
        ValueError: one of them is not open, or not the caller's.
    """
    if count < 0:
        message = f"--preserve-fds must not be negative, not {count}"
        raise ValueError(message)
    fds = tuple(range(_FIRST_FD, _FIRST_FD + count))
    for fd in fds:
        if not _is_callers(fd):
            message = f"--preserve-fds {count}: fd {fd} is not open"
            raise ValueError(message)
    return fds


def _is_callers(fd: int) -> bool:
    # What this program has opened itself is close-on-exec.
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False


def _read(
    options: argparse.Namespace, args: Sequence[str], given: dict[str, Any]
) -> Process | None:
    if options.process is None:
        return None
    others = [option for option, field, _ in _OPTIONS if field in given]
    if args:
        others.append("a command")
    if others:
        message = f"--process cannot be used together with {', '.join(others)}"
        raise ValueError(message)
    with open(options.process, "rb") as file:
        return Process.from_json(file.read(_MAX_FILE + 1))


def _wishes(given: dict[str, Any], config: Config) -> dict[str, Any]:
    known = {attribute.name for attribute in fields(Process)}
    for option, field, _ in _OPTIONS:
        if field in given and field not in known:
            raise UnsupportedError(option, "a later release")
    wishes = dict(given)
    if "env" in given:
        # Over those of the container, key by key.
        wishes["env"] = [*(f"{key}={text}" for key, text in config.env), *given["env"]]
    if "additional_groups" in given:
        texts = ",".join(given["additional_groups"]).split(",")
        wishes["additional_groups"] = [_gid(text) for text in texts]
    if "capabilities" in given:
        wishes["capabilities"] = _with_more(config.capabilities, given["capabilities"])
    return wishes


def _gid(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        message = f"--additional-gids takes numbers, not {text!r}"
        raise ValueError(message)
    return int(text)


def _with_more(has: Capabilities, names: Sequence[str]) -> Capabilities:
    # Not inheritable and not ambient: those would outlast the program.
    more = Capabilities.of(*names)
    return evolve(
        has,
        bounding=has.bounding | more.bounding,
        effective=has.effective | more.effective,
        permitted=has.permitted | more.permitted,
    )
