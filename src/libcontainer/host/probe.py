# SPDX-License-Identifier: Apache-2.0
"""Reads what the host and the caller can do."""

from __future__ import annotations

import functools
import os
import re

from libcontainer.bindings.capabilities import CAP_SYS_ADMIN, capget
from libcontainer.bindings.keyctl import has_keyrings
from libcontainer.config import Config, thermal_throttle_paths
from libcontainer.plan import Facts, Settings
from libcontainer.plan.facts import Security

_PF_EXITING = 0x4
_STAT_SIZE = 4096
_PROCESSORS = "/sys/devices/system/cpu"


# PROC_USER_INIT_INO of the kernel.
_FIRST_USER_NAMESPACE = 0xEFFFFFFD


def read_facts(
    *,
    template: bool,
    config: Config | None = None,
    settings: Settings | None = None,
    cgroups: tuple[str, ...] = (),
) -> Facts:
    """Return the facts of this moment; three system calls.

    Args:
        template: whether a template mount namespace is kept.
        config: of the container, and
        settings: of the process, for what only some of them need to know.
        cgroups: the hierarchies in which the container has a cgroup.
    """
    return Facts(
        euid=os.geteuid(),
        egid=os.getegid(),
        privileged=is_privileged(),
        template=template,
        cgroups=cgroups,
        throttled=throttled(),
        security=_security(config, settings),
        keyrings=_keyrings(),
        nodes=os.stat("/proc/self/ns/user").st_ino == _FIRST_USER_NAMESPACE,
        machine=_system()[0],
        kernel=_system()[1],
    )


def _security(config: Config | None, settings: Settings | None) -> Security | None:
    if config is None or settings is None:
        return None
    wishes = (
        config.mount_label,
        settings.apparmor_profile,
        settings.process_label,
        settings.landlock,
    )
    if all(wish is None for wish in wishes):
        return None
    from libcontainer.host import security  # noqa: PLC0415 - loaded only if used

    security.require_profile(settings.apparmor_profile)
    return security.read_security()


@functools.cache
def _keyrings() -> bool:
    # Where a filter forbids keyctl(2) to us it does so to every child of ours.
    return has_keyrings()


@functools.cache
def _system() -> tuple[str, tuple[int, int]]:
    system = os.uname()
    numbers = re.match(r"(\d+)\.(\d+)", system.release)
    kernel = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
    return system.machine, kernel


def is_privileged() -> bool:
    """Tell whether the caller holds CAP_SYS_ADMIN."""
    return bool(capget().effective >> CAP_SYS_ADMIN & 1)


@functools.cache
def throttled() -> tuple[str, ...]:
    """Return what sysfs tells of the throttling of processors.

    Only physical x86_64 machines have that, and each processor of one has it.
    """
    if not os.path.isdir(f"{_PROCESSORS}/cpu0/thermal_throttle"):
        return ()
    names = (
        name for name in os.listdir(_PROCESSORS) if re.fullmatch("cpu[0-9]+", name)
    )
    return thermal_throttle_paths(sum(1 for _ in names))


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
    return int(_stat_fields(host_pid)[19])


def is_exiting(host_pid: int) -> bool:
    """Tell whether a process is gone or on its way: ``PF_EXITING`` of proc(5)."""
    try:
        return bool(int(_stat_fields(host_pid)[6]) & _PF_EXITING)
    except ProcessLookupError:
        return True


def zombie_code(host_pid: int, began: int) -> int | None:
    """Return the wait(2) status of a process that has ended and was not reaped.

    Args:
        host_pid: its pid.
        began: its start time; another process of that number is none.

    Returns:
        None if it is gone, or alive. 0 also for who may not see it.
    """
    try:
        fields = _stat_fields(host_pid)
    except ProcessLookupError:
        return None
    if fields[0] not in {b"Z", b"X"} or int(fields[19]) != began:
        return None
    return int(fields[49])


def _stat_fields(host_pid: int) -> list[bytes]:
    """Return the fields of ``/proc/PID/stat`` from the third on."""
    try:
        fd = os.open(f"/proc/{host_pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise ProcessLookupError(*error.args) from error
    try:
        text = os.read(fd, _STAT_SIZE)
    finally:
        os.close(fd)
    # The program's name stands in parentheses and may hold anything.
    return text[text.rindex(b")") + 1 :].split()
