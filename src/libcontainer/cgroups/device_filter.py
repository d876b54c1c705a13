# SPDX-License-Identifier: Apache-2.0
"""Attaches the program that decides about devices to a cgroup v2."""

from __future__ import annotations

import os
from typing import Final

from libcontainer.bindings.bpf import (
    attach_cgroup_device,
    load_cgroup_device,
    open_program,
    query_cgroup_device,
)
from libcontainer.bindings.capabilities import CAP_SYS_ADMIN, capget
from libcontainer.cgroups.values import OPEN
from libcontainer.cgroups.writes import DeviceFilter

# PROC_USER_INIT_INO of the kernel.
_FIRST_USER_NAMESPACE: Final = 0xEFFFFFFD


def attach_filter(directory: str, limit: DeviceFilter) -> None:
    """Attach a program to a cgroup that has none of ours.

    Raises:
        OSError: the kernel refused it.
    """
    if limit.optional and not may_filter():
        return
    _attach(directory, limit, replaces=False)


def replace_filter(directory: str, limit: DeviceFilter) -> None:
    """Put a program in the place of the one that the cgroup has, in one step.

    At no moment there is none. One that others have attached stays (systemd's).

    Raises:
        OSError: the kernel refused it; the old one holds.
    """
    if limit.optional and not may_filter():
        return
    _attach(directory, limit, replaces=True)


def may_filter() -> bool:
    """Tell whether the kernel lets the caller load a program, as bpf(2) says."""
    first = os.stat("/proc/self/ns/user").st_ino == _FIRST_USER_NAMESPACE
    return first and bool(capget().effective >> CAP_SYS_ADMIN & 1)


def _attach(directory: str, limit: DeviceFilter, *, replaces: bool) -> None:
    cgroup = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | OPEN)
    fds = [cgroup]
    try:
        program = load_cgroup_device(limit.program)
        fds.append(program)
        old = _own_program(cgroup) if replaces else -1
        if old >= 0:
            fds.append(old)
        attach_cgroup_device(cgroup, program, replaces=old)
    finally:
        for fd in fds:
            os.close(fd)


def _own_program(cgroup: int) -> int:
    """Return an fd of the program of ours that a cgroup has, or -1."""
    for number in query_cgroup_device(cgroup):
        fd, name = open_program(number)
        if name == NAME:
            return fd
        os.close(fd)
    return -1


NAME: Final = "libcontainer"
"""The name of our programs in the kernel, by which they are known again."""
