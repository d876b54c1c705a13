# SPDX-License-Identifier: Apache-2.0
"""``nsinit stats``, ``oom``, ``pause``, ``unpause`` and ``state``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from libcontainer.commands.stats_forms import nsinit_form
from libcontainer.container import Container

Run = Callable[[Container, argparse.Namespace], int]
Bind = Callable[[Run], Callable[[argparse.Namespace], int]]


def add_commands(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], bind: Bind
) -> None:
    """Add the commands; *bind* gives each the container of the data path."""
    stats = commands.add_parser("stats", help="print what the container uses, as JSON")
    add_stats_options(stats)
    stats.set_defaults(run=bind(_stats))
    oom = commands.add_parser("oom", help="print a line whenever memory has run out")
    oom.set_defaults(run=bind(_oom))
    state = commands.add_parser("state", help="print the state as JSON")
    state.set_defaults(run=bind(_state))
    pause = commands.add_parser("pause", help="freeze every process of the container")
    pause.set_defaults(run=bind(_pause))
    for name in ("unpause", "resume"):
        unpause = commands.add_parser(name, help="let its processes go on")
        unpause.set_defaults(run=bind(_unpause))


def add_stats_options(parser: argparse.ArgumentParser) -> None:
    """Add what every command has that prints statistics."""
    parser.add_argument(
        "--interval",
        type=_seconds,
        default=1.0,
        metavar="SECONDS",
        help="how long to look for the use of processors; default: 1",
    )
    parser.add_argument(
        "--json", action="store_true", help="all there is, not the form of 1.2.0"
    )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 3600:
        message = f"must be from 0 to 3600, not {text}"
        raise argparse.ArgumentTypeError(message)
    return seconds


def print_json(document: Any) -> None:  # noqa: ANN401
    """Print as 1.2.0 did: with tabs, and no new line at the end."""
    sys.stdout.write(json.dumps(document, indent="\t"))


def _stats(container: Container, arguments: argparse.Namespace) -> int:
    if arguments.json:
        print_json(attrs.asdict(container.stats()))
        return 0
    before = container.stats()
    time.sleep(arguments.interval)
    print_json(nsinit_form(container.stats(), before))
    return 0


def _oom(container: Container, arguments: argparse.Namespace) -> int:
    del arguments
    with container.events("oom") as events:
        for event in events:
            document = {"type": "oom", "id": container.id, "kills": event.value}
            print(json.dumps(document), flush=True)
    return 0


def _pause(container: Container, arguments: argparse.Namespace) -> int:
    del arguments
    container.pause()
    return 0


def _unpause(container: Container, arguments: argparse.Namespace) -> int:
    del arguments
    container.resume()
    return 0


def _state(container: Container, arguments: argparse.Namespace) -> int:
    del arguments
    status = {"id": container.id, "status": container.status().value}
    print_json(status | state_document(container))
    return 0


def state_document(container: Container) -> dict[str, Any]:
    """Return the ``state.json`` of 1.2.0; empty before there is an init process."""
    state = container.state()
    if state.init is None:
        return {}
    return {
        "init_pid": state.init.host_pid,
        "init_start_time": str(state.init.start_time),
        "network_state": _network_state(state.network),
        "cgroup_paths": _cgroup_paths(state.cgroup),
    }


def _network_state(records: tuple[Mapping[str, Any], ...]) -> dict[str, str]:
    """Return the names of the last pair of links: there was room for one."""
    pairs = [record for record in records if record["strategy"] == "veth"]
    if not pairs:
        return {}
    return {"veth_host": pairs[-1]["link"], "veth_child": pairs[-1]["inside"]}


def _cgroup_paths(paths: Mapping[str, str]) -> dict[str, str]:
    """Return the directory of each controller; that of v2 under an empty name."""
    return {word: path for name, path in paths.items() for word in name.split(",")}
