# SPDX-License-Identifier: Apache-2.0
"""Capabilities and resource limits of a process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import field, frozen

from libcontainer.config.convert import (
    is_integer,
    prefixed,
    to_capability_names,
    to_tuple,
)

_CAPABILITY_NAMES: Final = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP"
    " LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK"
    " IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN"
    " SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE"
    " AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM"
    " BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)

CAPABILITY_NUMBERS: Final = {
    f"CAP_{name}": number for number, name in enumerate(_CAPABILITY_NAMES.split())
}
"""Every capability of Linux 5.9 and later by name (capabilities(7))."""

_RLIMIT_NAMES: Final = (
    "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING"
    " MSGQUEUE NICE RTPRIO RTTIME"
)

RLIMIT_NUMBERS: Final = {
    f"RLIMIT_{name}": number for number, name in enumerate(_RLIMIT_NAMES.split())
}
"""Every resource limit by name; the numbers of x86_64 and aarch64."""


@frozen(kw_only=True, cache_hash=True)
class Capabilities:
    """The five capability sets of a process.

    Names are taken with or without ``CAP_``, in any case. Source:
    capabilities(7).
    """

    bounding: frozenset[str] = field(default=frozenset(), converter=to_capability_names)
    """What no execve(2) can give beyond."""

    effective: frozenset[str] = field(
        default=frozenset(), converter=to_capability_names
    )
    """What the kernel checks."""

    permitted: frozenset[str] = field(
        default=frozenset(), converter=to_capability_names
    )
    """What the process may make effective."""

    inheritable: frozenset[str] = field(
        default=frozenset(), converter=to_capability_names
    )
    """Empty, but for what *ambient* needs (CVE-2022-24769)."""

    ambient: frozenset[str] = field(default=frozenset(), converter=to_capability_names)
    """What a program gets although its user is not root and its file has none."""

    @staticmethod
    def of(*names: str, ambient: bool = False) -> Capabilities:
        """Return sets that hold the same capabilities.

        Args:
            names: for the bounding, effective and permitted sets.
            ambient: for the ambient set too, so that they outlast the execve(2)
                of a user other than root.
        """
        return Capabilities(
            bounding=names,
            effective=names,
            permitted=names,
            ambient=names if ambient else (),
        )


DEFAULT_CAPABILITIES: Final = Capabilities.of(
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD"),
    *("NET_BIND_SERVICE", "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID"),
    "SYS_CHROOT",
)
"""The fourteen that Docker leaves to a container."""


def to_capabilities(value: Capabilities | Iterable[str]) -> Capabilities:
    """Return a plain list of names as `Capabilities.of` them."""
    if isinstance(value, Capabilities):
        return value
    names = to_tuple(value)
    if isinstance(names, tuple):
        return Capabilities.of(*names)
    return names


def to_optional_capabilities(
    value: Capabilities | Iterable[str] | None,
) -> Capabilities | None:
    """Return names as capabilities, None as None."""
    return None if value is None else to_capabilities(value)


def _to_rlimit(value: str) -> str:
    return prefixed("RLIMIT_", value)


def _to_limit(value: int | None) -> int | None:
    return None if is_integer(value) and value == -1 else value


@frozen(cache_hash=True)
class Rlimit:
    """A limit on a resource of a process (getrlimit(2)).

    None and -1 mean no limit.
    """

    type: str = field(converter=_to_rlimit)
    """Which resource, such as ``RLIMIT_NOFILE`` or ``nofile``."""

    soft: int | None = field(converter=_to_limit)
    """What the kernel enforces, in the resource's own unit."""

    hard: int | None = field(converter=_to_limit)
    """What the process may raise the soft limit to."""


def to_rlimits(value: Iterable[Rlimit]) -> tuple[Rlimit, ...]:
    """Return limits as a tuple."""
    return to_tuple(value)


def to_optional_rlimits(value: Iterable[Rlimit] | None) -> tuple[Rlimit, ...] | None:
    """Return limits as a tuple, None as None."""
    return None if value is None else to_tuple(value)
