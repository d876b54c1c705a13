# SPDX-License-Identifier: Apache-2.0
"""The same options for a parser of argparse, which ``nsinit`` and the pages have."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any

from libcontainer.commands.options import Command, Option
from libcontainer.commands.table import COMMANDS, GLOBAL


def add_to(parser: argparse.ArgumentParser, options: Iterable[Option]) -> None:
    """Add options to a parser, with the same names, values and defaults."""
    for option in options:
        settings: dict[str, Any] = {"action": "store_true"}
        if option.kind != "flag":
            action = "append" if option.kind == "list" else "store"
            settings = {"action": action, "metavar": option.metavar}
        if option.choices:
            settings |= {
                "choices": option.choices,
                "metavar": "|".join(word for word in option.choices if word),
            }
        if option.kind == "number":
            settings["type"] = int
        parser.add_argument(
            *option.names,
            dest=option.dest,
            default=option.default,
            help=option.what or argparse.SUPPRESS,
            **settings,
        )


def options_of(command: Command) -> Sequence[Option]:
    """Return the options of a command, loaded if need be."""
    if not isinstance(command.options, str):
        return command.options
    module, _, name = command.options.partition(":")
    loaded = import_module(f"libcontainer.commands.{module}")
    found: Sequence[Option] = getattr(loaded, name)
    return found


def full_parser() -> argparse.ArgumentParser:
    """Return a parser that has what the tables of ``libcontainer`` say."""
    parser = argparse.ArgumentParser(prog="libcontainer")
    add_to(parser, GLOBAL)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        below = commands.add_parser(name, help=command.what)
        add_to(below, options_of(command))
        for operand in command.operands:
            count = "?" if operand.startswith("[") else None
            count = "*" if operand.endswith("...]") else count
            word = operand.strip("[].")
            below.add_argument(word.lower(), metavar=word, nargs=count)
        if name == "image":
            from libcontainer.commands import oci_image  # noqa: PLC0415

            oci_image.add_options(below)
        elif command.rest:
            word = command.rest
            below.add_argument(word.lower(), metavar=word, nargs=argparse.REMAINDER)
    return parser
