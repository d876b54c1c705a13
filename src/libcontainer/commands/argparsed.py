# SPDX-License-Identifier: Apache-2.0
"""The same options for a parser of argparse, which ``nsinit`` and the pages have."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from libcontainer.commands.options import Option


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
