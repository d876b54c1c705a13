# SPDX-License-Identifier: Apache-2.0
"""Write docs/reference/libcontainer.md and nsinit.md from the parsers.

The man pages are built from the same two files.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from libcontainer.commands import nsinit
from libcontainer.commands.argparsed import full_parser

FOLDER = Path(__file__).resolve().parent / "reference"

HEADS = {
    "libcontainer": """\
# libcontainer

Generated from the command's own parser by `./dev docs`.

The command line of an OCI runtime, as podman, containerd and Docker call it; `python -m
libcontainer` is the same. It exits with 0, with the status of the program for `run` and
`exec`, with 128 and the signal's number if one ended it, with 1 on an error (`exec`:
255). Errors are on standard error, and as lines of JSON in the file of `--log` with
`--log-format json`. Containers are kept in `/run/libcontainer`, without root in
`$XDG_RUNTIME_DIR/libcontainer`.
""",
    "nsinit": """\
# nsinit

Generated from the command's own parser by `./dev docs`.

The command of the 2014 libcontainer: it reads `container.json` (format 1.2.0) from the
current directory, which is the root filesystem, or from the directory that the
environment variable `data_path` names. See
[the sample configurations](../../examples/sample_configs/README.md).
""",
}


def subcommands(
    parser: argparse.ArgumentParser,
) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Yield name, one line of help and parser of each command below *parser*."""
    for action in parser._actions:  # noqa: SLF001 - argparse tells it nowhere else
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            helps = {choice.dest: choice.help for choice in action._choices_actions}  # noqa: SLF001
            for name, below in action.choices.items():
                yield name, helps.get(name) or "", below


def _usage(parser: argparse.ArgumentParser) -> str:
    formatter = argparse.HelpFormatter(parser.prog, width=84)
    formatter.add_usage(parser.usage, parser._actions, [])  # noqa: SLF001
    return formatter.format_help().strip()


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "\\<")


def _options(parser: argparse.ArgumentParser) -> list[str]:
    lines = []
    for action in parser._actions:  # noqa: SLF001
        hidden = action.help == argparse.SUPPRESS or action.dest == "help"
        if hidden or not action.option_strings:
            continue
        value = action.metavar or ("|".join(action.choices) if action.choices else "")
        if action.nargs == 0:
            value = ""
        words = ", ".join(
            f"{option} {value}".strip() for option in action.option_strings
        )
        lines.append(f"`{words}`\n: {_escaped(action.help or '-')}\n")
    return lines


def _section(title: str, text: str, parser: argparse.ArgumentParser) -> list[str]:
    lines = [f"## {title}", "", f"{text}.", "", "```", _usage(parser), "```", ""]
    lines += _options(parser)
    for name, what, below in subcommands(parser):
        lines += _section(f"{title} {name}", what.rstrip("."), below)
    return lines


def render(name: str, parser: argparse.ArgumentParser) -> str:
    """Return the page of a command."""
    lines = [
        HEADS[name],
        "## Options of every command",
        "",
        "```",
        _usage(parser),
        "```",
        "",
    ]
    lines += _options(parser)
    for command, what, below in subcommands(parser):
        lines += _section(command, what[:1].upper() + what[1:].rstrip("."), below)
    return "\n".join(lines).rstrip("\n") + "\n"


PARSERS: dict[str, Callable[[], argparse.ArgumentParser]] = {
    "libcontainer": full_parser,
    "nsinit": nsinit._parser,  # noqa: SLF001
}


def write() -> None:
    """Write both pages."""
    for name, parser in PARSERS.items():
        (FOLDER / f"{name}.md").write_text(render(name, parser()), encoding="utf-8")
