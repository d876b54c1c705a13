# SPDX-License-Identifier: Apache-2.0
"""``libcontainer update``: other limits for a container that is there."""

from __future__ import annotations

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

    asked = arguments.resources
    resources = Resources() if asked is None else _read(asked)
    given = {field: getattr(arguments, field) for _, field, _ in _LIMITS}
    changes: dict[str, Any] = {
        field: _size(value) if field in _SIZES else value
        for field, value in given.items()
        if value is not None
    }
    with open_factory(arguments) as factory:
        container = load(factory, arguments)
        container.update(evolve(resources, **changes))
        _update_rdt(container, arguments)
    return 0


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


def _size(text: str) -> int | str:
    return -1 if text == "-1" else text


def _read(path: str) -> Resources:
    from libcontainer.commands.oci_common import read_json  # noqa: PLC0415
    from libcontainer.config.container_reader import Reader  # noqa: PLC0415
    from libcontainer.config.report import Report  # noqa: PLC0415
    from libcontainer.errors import ConfigError  # noqa: PLC0415
    from libcontainer.oci.resources import read_resources  # noqa: PLC0415

    document = read_json(path)
    report = Report()
    resources = read_resources(Reader("", document, report, Report()))
    if report.problems:
        raise ConfigError(report.problems)
    return resources
