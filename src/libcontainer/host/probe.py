# SPDX-License-Identifier: Apache-2.0
"""Reads what the host and the caller can do."""

from __future__ import annotations

import functools
import os

from libcontainer.bindings.capabilities import CAP_SYS_ADMIN, capget
from libcontainer.plan import Facts


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
    )


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
        with open(f"/proc/{host_pid}/stat", "rb") as file:
            text = file.read()
    except FileNotFoundError as error:
        raise ProcessLookupError(*error.args) from error
    # The program's name stands in parentheses and may hold anything.
    return int(text[text.rindex(b")") + 1 :].split()[19])
