# SPDX-License-Identifier: Apache-2.0
"""Writes the id maps of a new user namespace, from outside, and reads them.

Through a directory fd of the process that was opened while its pidfd said it
was alive: the pid cannot have come to mean another process.
"""

from __future__ import annotations

import os
import subprocess
from typing import Final

from libcontainer.bindings.capabilities import CAP_SETUID, capget
from libcontainer.errors import UnsupportedError
from libcontainer.host.procdir import process_directory, read_text, write_once

Extents = tuple[tuple[int, int, int], ...]

TOOLS: Final = {"uid_map": "newuidmap", "gid_map": "newgidmap"}
"""The set-id programs of shadow-utils that write each map (newuidmap(1))."""

# Before the caller's PATH, in which a directory of the user's may come first.
_TOOL_FOLDERS: Final = ("/usr/bin", "/bin", "/usr/local/bin", "/run/wrappers/bin")
_TOOL_SECONDS: Final = 10


def find_tool(name: str) -> str | None:
    """Return the path of ``newuidmap`` or ``newgidmap``, or None."""
    search = os.environ.get("PATH", "").split(os.pathsep)
    folders = (*_TOOL_FOLDERS, *(entry for entry in search if entry.startswith("/")))
    paths = (f"{folder}/{name}" for folder in folders)
    return next((path for path in paths if os.access(path, os.X_OK)), None)


def can_map_any() -> bool:
    """Tell whether the caller may map ids that are not its own by itself."""
    return bool(capget().effective >> CAP_SETUID & 1)


def write_maps(
    host_pid: int,
    pidfd: int,
    uid_map: Extents,
    gid_map: Extents,
    *,
    deny_setgroups: bool,
) -> None:
    """Map the ids of the user namespace that a process has just entered.

    Args:
        host_pid: the process, in the caller's pid namespace.
        pidfd: the same process.
        uid_map: (container id, host id, size) of each extent.
        gid_map: the same for groups.
        deny_setgroups: whether to deny setgroups(2) in the namespace.

    Raises:
        OSError: the kernel refused a map, or the process has ended.
        UnsupportedError: more than one's own id is mapped, the caller has no
            privilege, and newuidmap or newgidmap is missing or refused.
    """
    with process_directory(host_pid, pidfd) as directory:
        if deny_setgroups:
            write_once(directory, "setgroups", "deny")
        privileged = can_map_any()
        own = (os.geteuid(), os.getegid())
        for name, extents, mine in zip(TOOLS, (uid_map, gid_map), own, strict=True):
            if privileged or _is_own_id(extents, mine):
                write_once(directory, name, _text(extents))
            else:
                _write_with_tool(host_pid, directory, name, extents)


def read_map(directory: int, name: str) -> Extents:
    """Return ``uid_map`` or ``gid_map`` of the process of a /proc/PID directory."""
    rows = [line.split() for line in read_text(directory, name).splitlines()]
    return tuple((int(a), int(b), int(c)) for a, b, c in rows)


def _is_own_id(extents: Extents, own: int) -> bool:
    return len(extents) == 1 and extents[0][1:] == (own, 1)


def _text(extents: Extents) -> str:
    return "".join(f"{inside} {outside} {size}\n" for inside, outside, size in extents)


def _write_with_tool(
    host_pid: int, directory: int, name: str, extents: Extents
) -> None:
    numbers = [str(number) for extent in extents for number in extent]
    tool = find_tool(TOOLS[name])
    what = f"the {name} of more than one's own id"
    need = f"{TOOLS[name]} (package uidmap) and a range in /etc/sub{name[:3]}"
    if tool is None:
        raise UnsupportedError(what, f"{need}: there is no such program")
    done = subprocess.run(
        [tool, str(host_pid), *numbers],
        env={},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_TOOL_SECONDS,
        check=False,
    )
    # The map itself tells whether it worked: a program that ignores SIGCHLD
    # never learns the tool's exit status.
    if read_map(directory, name) != extents:
        said = done.stderr.decode(errors="replace").strip()
        raise UnsupportedError(what, f"{need}: {said}")
