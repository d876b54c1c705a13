# SPDX-License-Identifier: Apache-2.0
"""Where the memory of a process comes from, and what machine it sees."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import field, frozen

from libcontainer.config.convert import prefixed, to_tuple
from libcontainer.config.numbers import to_optional_numbers

MEMORY_MODES: Final = {
    "MPOL_DEFAULT": 0,
    "MPOL_PREFERRED": 1,
    "MPOL_BIND": 2,
    "MPOL_INTERLEAVE": 3,
    "MPOL_LOCAL": 4,
    "MPOL_PREFERRED_MANY": 5,
    "MPOL_WEIGHTED_INTERLEAVE": 6,
}
"""Every mode by name (set_mempolicy(2)); the last needs Linux 6.9."""

MEMORY_FLAGS: Final = {
    "MPOL_F_NUMA_BALANCING": 1 << 13,
    "MPOL_F_RELATIVE_NODES": 1 << 14,
    "MPOL_F_STATIC_NODES": 1 << 15,
}
"""Every flag by name."""

PERSONALITY_DOMAINS: Final = {"LINUX": 0x0000, "LINUX32": 0x0008}
"""Every execution domain of the OCI specification."""

PERSONALITY_FLAGS: Final = {"ADDR_NO_RANDOMIZE": 0x0040000}
"""The flags of personality(2) that make a program neither weaker against the
host nor privileged."""


def _to_mode(value: str) -> str:
    return prefixed("MPOL_", value)


def _to_memory_flags(value: Iterable[str]) -> tuple[str, ...]:
    words = to_tuple(value)
    if not isinstance(words, tuple):
        return words
    return tuple(prefixed("MPOL_F_", word) for word in words)


def _to_domain(value: str) -> str:
    return prefixed("", value)


def _to_flags(value: Iterable[str]) -> tuple[str, ...]:
    words = to_tuple(value)
    if not isinstance(words, tuple):
        return words
    return tuple(prefixed("", word) for word in words)


@frozen(cache_hash=True)
class MemoryPolicy:
    """From which memory nodes a process gets its memory.

    Children and programs inherit it. Source: set_mempolicy(2), OCI 1.3
    ``linux.memoryPolicy``.
    """

    mode: str = field(converter=_to_mode)
    """One of `MEMORY_MODES`, such as ``MPOL_BIND`` or ``bind``."""

    nodes: str | None = field(default=None, converter=to_optional_numbers)
    """Memory nodes, a text like ``0-3,7``, a number or several."""

    flags: tuple[str, ...] = field(default=(), converter=_to_memory_flags, kw_only=True)
    """Of `MEMORY_FLAGS`, such as ``MPOL_F_STATIC_NODES``."""


@frozen(cache_hash=True)
class Personality:
    """Which machine a program takes this one for.

    Source: personality(2), OCI ``linux.personality``.
    """

    domain: str = field(default="LINUX", converter=_to_domain)
    """``LINUX``, or ``LINUX32``: uname(2) then tells of a 32-bit machine."""

    flags: tuple[str, ...] = field(default=(), converter=_to_flags)
    """``ADDR_NO_RANDOMIZE``: addresses are the same at each run."""
