# SPDX-License-Identifier: Apache-2.0
"""``libcontainer``: the command line of an OCI runtime.

podman, containerd, Docker and others call a runtime with these words; its exit
status, its files and its messages are what they read. On an error nothing is on
standard output.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from types import ModuleType

from libcontainer._version import __version__
from libcontainer.commands.log import Log
from libcontainer.commands.options import (
    Arguments,
    Command,
    Option,
    UsageError,
    help_text,
    parse,
)
from libcontainer.commands.table import COMMANDS, GLOBAL
from libcontainer.errors import LibcontainerError

SPEC_VERSION = "1.3.0"
_INTERRUPTED = 130
_HELP = Option("--help -h -?", "flag")
_HELPS = ("help", "h")
_SHOWN = {"ID": "CONTAINER", "ACTION": "[add|remove]"}
_VERSION = Option("--version -v -V", "flag", "print it and end")


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``libcontainer``; return its exit status."""
    words = sys.argv[1:] if argv is None else argv
    arguments = Arguments()
    arguments.failed = 1
    log = Log()
    try:
        status = _carry_out(words, arguments, log)
        # What cannot be written is an error like others, and told once.
        sys.stdout.flush()
    except (LibcontainerError, OSError, ValueError, UsageError) as error:
        log.failed(error)
        return int(arguments.failed)
    except KeyboardInterrupt:
        return _INTERRUPTED
    return status


def _carry_out(words: Sequence[str], arguments: Arguments, log: Log) -> int:
    options = (*GLOBAL, _VERSION, _HELP)
    found = _read(words, options, arguments, operands=1, rest=True)
    if arguments.version:
        # A release is a commit by its tag.
        print(f"{_program()} version {__version__}\ncommit: v{__version__}")
        print(f"spec: {SPEC_VERSION}")
        return 0
    if found and found[0] in _HELPS:
        # `help run` is `run --help`.
        found = [found[1], "--help"] if found[1:] else []
    if not found:
        print(_page())
        return 0
    name, *rest = found
    log.open(arguments.log, arguments.log_format, debug=arguments.debug)
    command = _command(name)
    arguments.failed = command.failed
    if not _read_command(name, command, rest, arguments):
        return 0
    log.debug(f"{name} {arguments.id}" if "id" in vars(arguments) else name)
    arguments.tell = log.debug
    arguments.warn = log.warn
    function: Callable[[Arguments], int]
    function = getattr(_load(command.module), command.function)
    return function(arguments)


def _command(name: str) -> Command:
    command = COMMANDS.get(name)
    if command is None:
        message = f"No help topic for {name!r}: there is no such command"
        raise UsageError(message)
    return command


def _read(
    words: Sequence[str],
    options: Sequence[Option],
    arguments: Arguments,
    *,
    operands: int,
    rest: bool,
) -> list[str]:
    for option in options:
        if option.dest not in vars(arguments):
            setattr(arguments, option.dest, option.default)
    return parse(words, options, operands=operands, rest=rest, into=arguments)


def _read_command(
    name: str, command: Command, words: Sequence[str], arguments: Arguments
) -> bool:
    """Read what a command is given; tell whether it is to be carried out."""
    arguments.command = name
    own = command.options
    if isinstance(own, str):
        # What these are made of takes longer to load than all the rest.
        module, _, table = own.partition(":")
        own = getattr(_load(module), table)
    names = command.operands
    needed = [operand for operand in names if not operand.startswith("[")]
    # Global options are understood here, too.
    options = (*own, *(o for o in GLOBAL if not _clash(o, own)), _HELP)
    found = _read(
        words, options, arguments, operands=len(needed), rest=bool(command.rest)
    )
    if arguments.help:
        print(_page_of(name, command, own))
        return False
    if len(found) < len(needed):
        message = f"{name}: {needed[len(found)]} is missing"
        raise UsageError(message)
    for operand in names:
        many = operand.endswith("...]")
        value: object = found if many else found.pop(0) if found else None
        found = [] if many else found
        setattr(arguments, operand.strip("[].").lower(), value)
    if command.rest:
        setattr(arguments, command.rest.lower(), found)
    elif found:
        message = f"{name}: {found[0]!r} is too much"
        raise UsageError(message)
    return True


def _clash(option: Option, own: Sequence[Option]) -> bool:
    return any(not set(option.names).isdisjoint(other.names) for other in own)


def _load(module: str) -> ModuleType:
    # Each is loaded when it is asked for: most of their time is loading.
    from importlib import import_module  # noqa: PLC0415

    return import_module(f"libcontainer.commands.{module}")


def _program() -> str:
    # By whichever name it is called, as with a link named runc.
    name = os.path.basename(sys.argv[0])
    return "libcontainer" if name.endswith(".py") or not name else name


def _page() -> str:
    return help_text(
        _program(),
        "Open Container Initiative runtime",
        f"{_program()} [OPTION...] COMMAND [ARGUMENT...]",
        (*GLOBAL, _VERSION),
        [(name, command.what) for name, command in COMMANDS.items()],
    )


def _page_of(name: str, command: Command, own: Sequence[Option]) -> str:
    words = [_program(), "[OPTION...]", name]
    if isinstance(command.options, str):
        words.append("[OPTION]...")
    words += [_SHOWN.get(operand, operand) for operand in command.operands]
    if command.rest:
        words.append(f"[{command.rest}...]")
    usage = " ".join(words)
    return help_text(f"{_program()} {name}", command.what, usage, own)


def program() -> None:
    """Be the installed command: end at once, nothing of ours needs a shutdown."""
    from libcontainer.commands.standard import fill  # noqa: PLC0415 - see `program.py`

    fill()
    os._exit(main())


if __name__ == "__main__":
    program()
