# SPDX-License-Identifier: Apache-2.0
"""``nsinit cgroup``: cgroups without a container, the ``cgutil`` of 1.2.0."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import attrs

from libcontainer.cgroups import Cgroup
from libcontainer.commands.nsinit_stats import add_stats_options, print_json
from libcontainer.commands.stats_forms import nsinit_form
from libcontainer.config.container_json import cgroup_from_json, parse_container_json

_MOST = 1024 * 1024


def add_commands(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    """Add the command and its own commands."""
    cgroup = commands.add_parser("cgroup", help="cgroups without a container")
    own = cgroup.add_subparsers(dest="cgroup_command", required=True)
    create = own.add_parser("create", help="make a cgroup and put a process into it")
    create.add_argument(
        "-c", "--config", required=True, metavar="FILE", help="name, parent, limits"
    )
    create.add_argument(
        "-p", "--pid", type=int, required=True, metavar="PID", help="who goes into it"
    )
    create.set_defaults(run=_create)
    for name, run, what in (
        ("destroy", _destroy, "remove a cgroup"),
        ("stats", _stats, "print what its processes use, as JSON"),
        ("pause", _pause, "freeze its processes"),
        ("resume", _resume, "let its processes go on"),
        ("ps", _ps, "print the pids of its processes"),
    ):
        _add(own, name, run, what)


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    what: str,
) -> None:
    parser = commands.add_parser(name, help=what)
    parser.add_argument("-n", "--name", required=True, help="of the cgroup")
    parser.add_argument("-p", "--parent", default="", help="the cgroups above it")
    if run is _stats:
        add_stats_options(parser)
    parser.set_defaults(run=run)


def _create(arguments: argparse.Namespace) -> int:
    with open(arguments.config, "rb") as file:
        data = file.read(_MOST + 1)
    if len(data) > _MOST:
        message = f"the file is larger than {_MOST} bytes"
        raise ValueError(message)
    path, resources, warnings = cgroup_from_json(parse_container_json(data))
    for warning in warnings:
        print(f"nsinit: warning: {warning}", file=sys.stderr)
    if path is None:
        message = f"{arguments.config} has no name"
        raise ValueError(message)
    group = Cgroup.create(path, resources)
    try:
        group.add(arguments.pid)
    except BaseException:
        group.delete()
        raise
    return 0


def _open(arguments: argparse.Namespace) -> Cgroup:
    parts = (arguments.parent, arguments.name)
    return Cgroup.open("/".join(part for part in parts if part))


def _destroy(arguments: argparse.Namespace) -> int:
    _open(arguments).delete()
    return 0


def _stats(arguments: argparse.Namespace) -> int:
    group = _open(arguments)
    before = group.stats()
    if arguments.json:
        print_json(attrs.asdict(before))
        return 0
    time.sleep(arguments.interval)
    print_json(nsinit_form(group.stats(), before)["cgroup_stats"])
    return 0


def _pause(arguments: argparse.Namespace) -> int:
    _open(arguments).freeze()
    return 0


def _resume(arguments: argparse.Namespace) -> int:
    _open(arguments).thaw()
    return 0


def _ps(arguments: argparse.Namespace) -> int:
    for pid in _open(arguments).pids():
        print(pid)
    return 0
