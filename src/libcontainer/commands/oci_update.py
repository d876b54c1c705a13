# SPDX-License-Identifier: Apache-2.0
"""``libcontainer update``: other limits for a container that is there."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from libcontainer.commands.oci_options import Parser
    from libcontainer.config import Resources

_MAX_FILE: Final = 1024 * 1024

# Option, field of Resources, whether its value is text.
_OPTIONS: Final = (
    ("--blkio-weight", "blkio_weight", False),
    ("--cpu-period", "cpu_period", False),
    ("--cpu-quota", "cpu_quota", False),
    ("--cpu-burst", "cpu_burst", False),
    ("--cpu-share", "cpu_shares", False),
    ("--cpu-rt-period", "cpu_realtime_period", False),
    ("--cpu-rt-runtime", "cpu_realtime_runtime", False),
    ("--cpu-idle", "cpu_idle", False),
    ("--cpuset-cpus", "cpuset_cpus", True),
    ("--cpuset-mems", "cpuset_mems", True),
    ("--memory", "memory", True),
    ("--memory-reservation", "memory_reservation", True),
    ("--memory-swap", "memory_swap", True),
    ("--pids-limit", "pids", False),
)
_SIZES: Final = frozenset({"memory", "memory_reservation", "memory_swap"})


def add_options(parser: Parser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "-r", "--resources", metavar="FILE", help="JSON of all limits; - is stdin"
    )
    for option, field, text in _OPTIONS:
        kind = str if text else int
        parser.add_argument(option, dest=field, type=kind, metavar="VALUE")
    for option in ("--kernel-memory", "--kernel-memory-tcp"):
        # Of kernels long gone; engines may still say them.
        parser.add_argument(option, help=argparse.SUPPRESS)


def update(arguments: argparse.Namespace) -> int:
    """Change the limits."""
    from attrs import evolve  # noqa: PLC0415 - with the parser only the names load

    from libcontainer.commands.oci_common import load, open_factory  # noqa: PLC0415
    from libcontainer.config import Resources  # noqa: PLC0415

    asked = arguments.resources
    resources = Resources() if asked is None else _read(asked)
    given = {field: getattr(arguments, field) for _, field, _ in _OPTIONS}
    changes: dict[str, Any] = {
        field: _size(value) if field in _SIZES else value
        for field, value in given.items()
        if value is not None
    }
    with open_factory(arguments) as factory:
        load(factory, arguments).update(evolve(resources, **changes))
    return 0


def _size(text: str) -> int | str:
    return -1 if text == "-1" else text


def _read(path: str) -> Resources:
    from libcontainer.config.container_reader import Reader  # noqa: PLC0415
    from libcontainer.config.report import Report  # noqa: PLC0415
    from libcontainer.config.strict_json import parse_strict_json  # noqa: PLC0415
    from libcontainer.errors import ConfigError  # noqa: PLC0415
    from libcontainer.oci.resources import read_resources  # noqa: PLC0415

    if path == "-":
        data = sys.stdin.buffer.read(_MAX_FILE)
    else:
        with open(path, "rb") as file:
            data = file.read(_MAX_FILE)
    report = Report()
    document = parse_strict_json(data, path)
    resources = read_resources(Reader("", document, report, Report()))
    if report.problems:
        raise ConfigError(report.problems)
    return resources
