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
    if (
        config.mount_label is None
        and settings.apparmor_profile is None
        and settings.process_label is None
        and settings.landlock is None
    ):
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
