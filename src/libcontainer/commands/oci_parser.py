# SPDX-License-Identifier: Apache-2.0
"""The command line as argparse reads it, with its help and its messages."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Final

from libcontainer._version import __version__
from libcontainer.commands import oci_options as options

SPEC_VERSION: Final = "1.3.0"


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"libcontainer version {__version__}\nspec: {SPEC_VERSION}")
        parser.exit()


def argument_parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser of every command; *words* tell what it need not be told."""
    parser = argparse.ArgumentParser(
        prog="libcontainer",
        description="Run containers of OCI bundles.",
        allow_abbrev=False,
    )
    parser.add_argument("-v", "--version", action=_Version, nargs=0, help="print it")
    options.add_global(parser)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, what: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name, help=what, description=what, allow_abbrev=False
        )

    for name, what in (
        ("create", "make a container whose program waits for start"),
        ("run", "make a container, run its program and delete it"),
    ):
        options.add_start(add(name, what), runs=name == "run")
    options.add_ids(add("start", "let the program of a created container run"))
    execute = add("exec", "run a further program in a container")
    # What these options are made of takes longer to load than all the rest.
    if "exec" in words:
        options.add_exec(execute)
    options.add_checkpoint(add, words)
    options.add_control(add)
    options.add_update(add("update", "change the limits of a container"))
    options.add_shows(add)
    return parser
