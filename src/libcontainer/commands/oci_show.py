# SPDX-License-Identifier: Apache-2.0
"""``libcontainer state``, ``list`` and ``ps``."""

from __future__ import annotations

import json
import os
import pwd
import sys
import time
from typing import Any

from libcontainer.commands.oci_common import load, open_factory
from libcontainer.commands.options import Arguments
from libcontainer.config import Directory
from libcontainer.container import Container
from libcontainer.errors import ContainerNotFoundError, StateFileError
from libcontainer.known import describe, parts_of

_COLUMNS = ("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER")


def state(arguments: Arguments) -> int:
    """Print the state of one container."""
    with open_factory(arguments) as factory:
        print(json.dumps(_describe(load(factory, arguments)), indent=2))
    return 0


def show_list(arguments: Arguments) -> int:
    """Print every container.

    Raises:
        OSError: there is no such root, though somebody has named it.
    """
    if arguments.root:
        os.stat(arguments.root)
    with open_factory(arguments) as factory:
        found = []
        for container in factory.list():
            try:
                found.append(_describe(container))
            except (ContainerNotFoundError, StateFileError):
                continue  # deleted meanwhile, or not to be read
    if arguments.quiet:
        print("".join(f"{item['id']}\n" for item in found), end="")
    elif arguments.format == "json":
        print(json.dumps(found, separators=(",", ":")))
    else:
        _print_table([_COLUMNS, *(_row(item) for item in found)])
    return 0


def ps(arguments: Arguments) -> int:
    """Print the processes of a container: as ps has them, or their numbers."""
    import subprocess  # noqa: PLC0415 - for few commands

    with open_factory(arguments) as factory:
        host_pids = load(factory, arguments).processes()
    if arguments.format == "json":
        print(json.dumps(host_pids))
        return 0
    options = [item for item in arguments.ps_options if item != "--"] or ["-ef"]
    listed = subprocess.run(
        ["ps", *options], stdout=subprocess.PIPE, text=True, check=False
    )
    if listed.returncode != 0:
        return listed.returncode
    title, *lines = listed.stdout.splitlines()
    if "PID" not in title.split():
        message = "ps was told not to print PID"
        raise ValueError(message)
    column = title.split().index("PID")
    print(title)
    for line in lines:
        if int(line.split()[column]) in host_pids:
            print(line)
    return 0


def _when(seconds: float) -> str:
    """Return a time as RFC 3339 has it; to load datetime takes longer."""
    micros = round(seconds % 1 * 1_000_000)
    whole, micros = int(seconds) + micros // 1_000_000, micros % 1_000_000
    rest = f".{micros:06}" if micros else ""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + rest + "Z"


def _describe(container: Container) -> dict[str, Any]:
    state = container.state()
    found = describe(container, state)
    rootfs = parts_of(container).rootfs
    # Scripts look for these keys in this order.
    return {
        "ociVersion": found["ociVersion"],
        "id": found["id"],
        "pid": found.get("pid", 0),
        "status": found["status"],
        "bundle": found["bundle"],
        "rootfs": rootfs.path if isinstance(rootfs, Directory) else "",
        "created": _when(state.created),
        **{key: found[key] for key in ("annotations",) if found.get(key)},
        "owner": _name(state.owner_uid),
    }


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _row(item: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(item[name.lower()]) for name in _COLUMNS)


def _print_table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[at]) for row in rows) for at in range(len(_COLUMNS))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write("   ".join(cells).rstrip() + "\n")
