# SPDX-License-Identifier: Apache-2.0
"""``libcontainer``: the command line of an OCI runtime.

podman, containerd, Docker and others call a runtime with these words; its exit
status, its files and its messages are what they read. On an error nothing is on
standard output.
"""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

from libcontainer.commands import oci_options as options
from libcontainer.commands.log import Log
from libcontainer.commands.words import UnsureError, Words
from libcontainer.errors import LibcontainerError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    Command = Callable[[argparse.Namespace], int]

_FAILED: Final = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``libcontainer``; return its exit status."""
    words = sys.argv[1:] if argv is None else argv
    arguments = read_words(words)
    log = Log(arguments.log, arguments.log_format, debug=arguments.debug)
    try:
        return _command(arguments.command)(arguments)
    except (LibcontainerError, OSError, ValueError) as error:
        log.failed(error)
        return int(getattr(arguments, "failed", _FAILED))
    except KeyboardInterrupt:
        return 130


def read_words(words: Sequence[str]) -> argparse.Namespace:
    """Return what a command line says; one that is wrong ends the program."""
    try:
        return read_quickly(words)
    except UnsureError:
        from libcontainer.commands.oci_parser import argument_parser  # noqa: PLC0415

        return argument_parser(words).parse_args(words)


def read_quickly(words: Sequence[str]) -> argparse.Namespace:
    """Return what a command line says that engines often use.

    Raises:
        UnsureError: it is another, or wrong.
    """
    found = SimpleNamespace()
    general = Words()
    options.add_global(general)
    left = general.read(words, found, first=True)
    command, *rest = left
    if command not in _QUICK:
        raise UnsureError
    found.command = command
    own = Words()
    _QUICK[command](own)
    own.read(rest, found)
    return found  # type: ignore[return-value]  # what is asked of it, it has


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

# What engines call most, and wait for.
_QUICK: Final[Mapping[str, Callable[[Words], None]]] = {
    "create": lambda words: options.add_start(words, runs=False),
    "run": lambda words: options.add_start(words, runs=True),
    "start": options.add_ids,
    "state": options.add_ids,
    "pause": options.add_ids,
    "resume": options.add_ids,
    "exec": options.add_exec,
    "kill": options.add_kill,
    "delete": options.add_delete,
}


def program() -> None:
    """Be the installed command: end at once, nothing of ours needs a shutdown."""
    status = main()
    sys.stdout.flush()
    os._exit(status)


if __name__ == "__main__":
    program()
