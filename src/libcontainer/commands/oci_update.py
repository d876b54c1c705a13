# SPDX-License-Identifier: Apache-2.0
"""``libcontainer update``: other limits for a container that is there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from libcontainer.commands.options import Arguments, Option

if TYPE_CHECKING:
    from libcontainer.config import Resources
    from libcontainer.container import Container


# Option, field of Resources, what its value is.
_LIMITS = (
    ("--blkio-weight", "blkio_weight", "number"),
    ("--cpu-period", "cpu_period", "number"),
    ("--cpu-quota", "cpu_quota", "number"),
    ("--cpu-burst", "cpu_burst", "number"),
    ("--cpu-share", "cpu_shares", "number"),
    ("--cpu-rt-period", "cpu_realtime_period", "number"),
    ("--cpu-rt-runtime", "cpu_realtime_runtime", "number"),
    ("--cpu-idle", "cpu_idle", "number"),
    ("--cpuset-cpus", "cpuset_cpus", "text"),
    ("--cpuset-mems", "cpuset_mems", "text"),
    ("--memory", "memory", "text"),
    ("--memory-reservation", "memory_reservation", "text"),
    ("--memory-swap", "memory_swap", "text"),
    ("--pids-limit", "pids", "number"),
)
_SIZES = frozenset({"memory", "memory_reservation", "memory_swap"})
_SIZE = r"([0-9]{1,20}(?:\.[0-9]{1,20})?) ?([kKmMgGtTpP]?)(?:[iI]?[bB])?"
_UNITS = ("", "k", "m", "g", "t", "p")

OPTIONS = (
    Option("--resources -r", what="JSON of all limits; - is stdin", metavar="FILE"),
    *(
        Option(option, kind, f"the limit {field}", dest=field)
        for option, field, kind in _LIMITS
    ),
    # Of kernels long gone; engines may still say them.
    *(Option(option) for option in ("--kernel-memory", "--kernel-memory-tcp")),
    Option("--l3-cache-schema", "text", "the cache line of its class (Intel RDT)"),
    Option("--mem-bw-schema", "text", "the memory line of its class (Intel RDT)"),
)


def update(arguments: Arguments) -> int:
    """Change the limits."""
    from attrs import evolve  # noqa: PLC0415 - with the parser only the names load

    from libcontainer.commands.oci_common import load, open_factory  # noqa: PLC0415
    from libcontainer.config import Resources  # noqa: PLC0415

    given = [
        (option, field, value)
        for option, field, _ in _LIMITS
        if (value := getattr(arguments, field)) is not None
    ]
    if arguments.resources is not None:
        resources = _read(arguments.resources)
        if given:
            names = ", ".join(option for option, _, _ in given)
            arguments.warn(f"--resources has all limits: {names} is passed over")
    else:
        resources = evolve(Resources(), **_changes(given))
    with open_factory(arguments) as factory:
        container = load(factory, arguments)
        container.update(resources)
        _update_rdt(container, arguments)
    return 0


def _changes(given: Sequence[tuple[str, str, Any]]) -> dict[str, Any]:
    """Return the fields that options change; what an empty value says is nothing."""
    from libcontainer.oci.resources import ZERO_IS_NONE  # noqa: PLC0415

    found = {
        field: _size(option, value) if field in _SIZES and value else value
        for option, field, value in given
    }
    return {
        field: value
        for field, value in found.items()
        if value != "" and (value or field not in ZERO_IS_NONE)
    }


def _update_rdt(container: Container, arguments: Arguments) -> None:
    cache, bandwidth = arguments.l3_cache_schema, arguments.mem_bw_schema
    rdt = container.config.intel_rdt
    if cache is None and bandwidth is None:
        return
    from libcontainer.config.rdt import IntelRdt  # noqa: PLC0415 - rare

    clos_id = None if rdt is None else rdt.clos_id
    container.update_rdt(
        IntelRdt(clos_id=clos_id, l3_cache_schema=cache, mem_bw_schema=bandwidth)
    )


def _size(option: str, text: str) -> int:
    """Return the bytes that a text means, which may have a fraction; -1 is no limit."""
    if text == "-1":
        return -1
    match = re.fullmatch(_SIZE, text)
    if match is None:
        message = f"{option} takes a size such as 512m or 1.5g, or -1, not {text!r}"
        raise ValueError(message)
    # A number that has no fraction must not lose its last digits.
    number = float(match[1]) if "." in match[1] else int(match[1])
    return int(number * 1024 ** _UNITS.index(match[2].lower()))


def _read(path: str) -> Resources:
    from libcontainer.commands.oci_common import read_json  # noqa: PLC0415
    from libcontainer.config.container_reader import Reader  # noqa: PLC0415
    from libcontainer.config.report import Report  # noqa: PLC0415
    from libcontainer.errors import ConfigError  # noqa: PLC0415
    from libcontainer.oci.resources import read_resources  # noqa: PLC0415

    document = read_json(path, may_be_null=True)
    report = Report()
    resources = read_resources(Reader("", document, report, Report()))
    if report.problems:
        raise ConfigError(report.problems)
    return resources
