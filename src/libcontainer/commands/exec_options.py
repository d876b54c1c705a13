# SPDX-License-Identifier: Apache-2.0
"""The options of ``exec`` that say what a process gets, and the process they mean."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve, fields

from libcontainer.commands.options import Option
from libcontainer.config import Capabilities, Config
from libcontainer.errors import UnsupportedError
from libcontainer.process import Process

if TYPE_CHECKING:
    from libcontainer.commands.options import Given

_MAX_FILE = 16 * 1024 * 1024
_FIRST_FD = 3

# Option, field of Process.
_FIELDS: tuple[tuple[Option, str], ...] = tuple(
    (Option(names, kind, what, metavar, dest=f"process_{field}"), field)
    for names, kind, field, metavar, what in (
        ("--tty -t", "flag", "terminal", "", "give it a terminal"),
        ("--user -u", "text", "user", "USER[:GROUP]", "names or ids of it"),
        ("--cwd", "text", "cwd", "PATH", "where it starts"),
        ("--env -e", "list", "env", "K=V", "a variable more, or another"),
        (
            *("--additional-gids -g", "list", "additional_groups"),
            *("GID[,GID]", "groups more"),
        ),
        ("--cap -c", "list", "capabilities", "CAP", "a capability more"),
        (
            *("--no-new-privs", "flag", "no_new_privs", ""),
            "no set-id program gives it more",
        ),
        ("--process-label", "text", "process_label", "LABEL", "SELinux label"),
        ("--apparmor", "text", "apparmor_profile", "PROFILE", "AppArmor's"),
    )
)

PROCESS: tuple[Option, ...] = (
    *(option for option, _ in _FIELDS),
    Option("--process -p", what="read an OCI process object", metavar="FILE"),
    Option("--preserve-fds", "number", "pass N more fds, from 3 on", "N", default=0),
    Option("--ignore-paused", "flag", "run it in a paused container too"),
)


def process_of(options: Given, args: Sequence[str], config: Config) -> Process:
    """Return the process that the options mean in a container of *config*.

    Raises:
        ValueError: options contradict each other or cannot be read.
        UnsupportedError: this release does not have what an option asks for.
    """
    given = {
        field: value
        for option, field in _FIELDS
        if (value := getattr(options, option.dest))
    }
    fds = preserved_fds(options.preserve_fds)
    process = _read(options, args, given) or Process(args, **_wishes(given, config))
    return evolve(process, pass_fds=fds) if fds else process


def preserved_fds(count: int, first: int = _FIRST_FD) -> tuple[int, ...]:
    """Return the descriptors that ``--preserve-fds`` means, up to the last open one.

    Who passes a hundred means all that there are. They keep their numbers: where
    one is not open, the program gets ``/dev/null``.

    Raises:
        ValueError: none of them is open, or they are not the caller's.
    """
    if count < 0:
        message = f"--preserve-fds must not be negative, not {count}"
        raise ValueError(message)
    fds = range(first, first + count)
    is_open = [is_callers(fd) for fd in fds]
    if count and not any(is_open):
        message = f"--preserve-fds {count}: fd {first} is not open: preserved-fd 0"
        raise ValueError(message)
    while is_open and not is_open[-1]:
        is_open.pop()
    flags = os.O_RDWR | os.O_CLOEXEC
    return tuple(
        fd if there else os.open(os.devnull, flags)
        for fd, there in zip(fds, is_open, strict=False)
    )


def is_callers(fd: int) -> bool:
    """Tell whether the caller of this program has left an fd open for it."""
    # What this program has opened itself is close-on-exec.
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False


def _read(options: Given, args: Sequence[str], given: dict[str, Any]) -> Process | None:
    if options.process is None:
        return None
    others = [option.names[0] for option, field in _FIELDS if field in given]
    if args:
        others.append("a command")
    if others:
        message = f"--process cannot be used together with {', '.join(others)}"
        raise ValueError(message)
    with open(options.process, "rb") as file:
        return Process.from_json(file.read(_MAX_FILE + 1))


def _wishes(given: dict[str, Any], config: Config) -> dict[str, Any]:
    known = {attribute.name for attribute in fields(Process)}
    for option, field in _FIELDS:
        if field in given and field not in known:
            raise UnsupportedError(option.names[0], "a later release")
    wishes = dict(given)
    if "env" in given:
        # Over those of the container, key by key.
        wishes["env"] = [*(f"{key}={text}" for key, text in config.env), *given["env"]]
    if "additional_groups" in given:
        texts = ",".join(given["additional_groups"]).split(",")
        # Beside those of the container's own program.
        groups = [*(config.additional_groups or ()), *map(_gid, texts)]
        wishes["additional_groups"] = list(dict.fromkeys(groups))
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
