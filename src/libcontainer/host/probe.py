# SPDX-License-Identifier: Apache-2.0
"""Reads what the host and the caller can do."""

from __future__ import annotations

import functools
import os

from libcontainer.bindings.capabilities import CAP_SYS_ADMIN, capget
from libcontainer.bindings.keyctl import has_keyrings
from libcontainer.plan import Facts

_STAT_SIZE = 4096


def read_facts(*, template: bool) -> Facts:
    """Return the facts of this moment; two system calls.

    Args:
        template: whether a template mount namespace is kept.
    """
    return Facts(
        euid=os.geteuid(),
        egid=os.getegid(),
        privileged=is_privileged(),
        template=template,
        keyrings=_keyrings(),
    )


@functools.cache
def _keyrings() -> bool:
    # Where a filter forbids keyctl(2) to us it does so to every child of ours.
    return has_keyrings()


def is_privileged() -> bool:
    """Tell whether the caller holds CAP_SYS_ADMIN."""
    return bool(capget().effective >> CAP_SYS_ADMIN & 1)


@functools.cache
def boot_id() -> str:
    """Return the id of this boot of the kernel."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def start_time(host_pid: int) -> int:
    """Return when a process started, in clock ticks since boot.

    Raises:
        ProcessLookupError: there is no such process.
    """
    try:
        fd = os.open(f"/proc/{host_pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise ProcessLookupError(*error.args) from error
    try:
        text = os.read(fd, _STAT_SIZE)
    finally:
        os.close(fd)
    # The program's name stands in parentheses and may hold anything.
    return int(text[text.rindex(b")") + 1 :].split()[19])
