# SPDX-License-Identifier: Apache-2.0
"""Writes the id maps of a new user namespace, from outside.

Through a directory fd of the process that was opened while its pidfd said it
was alive: the pid cannot have come to mean another process.
"""

from __future__ import annotations

import errno
import os
import subprocess

from libcontainer.bindings.capabilities import CAP_SETUID, capget
from libcontainer.errors import UnsupportedError
from libcontainer.host.children import has_ended

Extents = tuple[tuple[int, int, int], ...]

_TOOLS = {"uid_map": "/usr/bin/newuidmap", "gid_map": "/usr/bin/newgidmap"}
_TOOL_SECONDS = 10
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


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
    directory = os.open(f"/proc/{host_pid}", _DIRECTORY)
    try:
        if has_ended(pidfd):
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        if deny_setgroups:
            _write(directory, "setgroups", "deny")
        privileged = bool(capget().effective >> CAP_SETUID & 1)
        own = (os.geteuid(), os.getegid())
        for name, extents, mine in zip(
            ("uid_map", "gid_map"), (uid_map, gid_map), own, strict=True
        ):
            if privileged or _is_own_id(extents, mine):
                _write(directory, name, _text(extents))
            else:
                _write_with_tool(host_pid, directory, name, extents)
    finally:
        os.close(directory)


def _is_own_id(extents: Extents, own: int) -> bool:
    return len(extents) == 1 and extents[0][1:] == (own, 1)


def _text(extents: Extents) -> str:
    return "".join(f"{inside} {outside} {size}\n" for inside, outside, size in extents)


def _write(directory: int, name: str, text: str) -> None:
    # The file takes one write(2) only.
    fd = os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=directory)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _write_with_tool(
    host_pid: int, directory: int, name: str, extents: Extents
) -> None:
    numbers = [str(number) for extent in extents for number in extent]
    tool = _TOOLS[name]
    need = f"{tool} (package uidmap) and a range in /etc/sub{name[:3]}"
    try:
        done = subprocess.run(
            [tool, str(host_pid), *numbers],
            env={},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TOOL_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise UnsupportedError(f"the {name} of more than one's own id", need) from error
    # The map itself tells whether it worked: a program that ignores SIGCHLD
    # never learns the tool's exit status.
    if _read_map(directory, name) != extents:
        said = done.stderr.decode(errors="replace").strip()
        raise UnsupportedError(
            f"the {name} of more than one's own id", f"{need}: {said}"
        )


def _read_map(directory: int, name: str) -> Extents:
    fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    with open(fd) as file:
        rows = [line.split() for line in file]
    return tuple((int(a), int(b), int(c)) for a, b, c in rows)
