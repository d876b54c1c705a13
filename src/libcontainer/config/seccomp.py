# SPDX-License-Identifier: Apache-2.0
"""Which system calls processes may make: ``linux.seccomp`` of the OCI spec.

Source: seccomp(2), OCI runtime specification, config-linux.md, "Seccomp". Words are
taken with or without their prefix (``SCMP_ACT_``, ``SCMP_CMP_``, ``SCMP_ARCH_``,
``SECCOMP_FILTER_FLAG_``), in any case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen

from libcontainer.config.convert import (
    prefixed,
    to_capability_names,
    to_optional_path,
    to_tuple,
)

if TYPE_CHECKING:
    from typing import Self

ACTIONS: Final = {
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_NOTIFY": 0x7FC00000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
"""What the kernel does with a call, by the spec's name: ``SECCOMP_RET_*``."""

OPERATORS: Final = tuple(
    f"SCMP_CMP_{name}" for name in ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")
)
"""How an argument is compared, as unsigned 64-bit numbers."""

FLAGS: Final = {
    "SECCOMP_FILTER_FLAG_TSYNC": 0x01,
    "SECCOMP_FILTER_FLAG_LOG": 0x02,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 0x04,
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": 0x20,
}
"""Flags of the filter as a whole, by the spec's name."""

ARCHITECTURES: Final = tuple(
    f"SCMP_ARCH_{name}"
    for name in (
        *("X86", "X86_64", "X32", "ARM", "AARCH64", "MIPS", "MIPS64", "MIPS64N32"),
        *("MIPSEL", "MIPSEL64", "MIPSEL64N32", "PPC", "PPC64", "PPC64LE", "S390"),
        *("S390X", "PARISC", "PARISC64", "RISCV64", "LOONGARCH64", "M68K", "SH"),
        "SHEB",
    )
)
"""The architectures of the spec."""

UNKNOWN_SYSCALLS: Final = ("ignore", "error")
"""What can be done about a name that is no system call."""


def _to_action(value: str) -> str:
    return prefixed("SCMP_ACT_", value)


def _to_operator(value: str) -> str:
    return prefixed("SCMP_CMP_", value)


def _words(prefix: str, value: Iterable[str]) -> tuple[str, ...]:
    words = to_tuple(value)
    if not isinstance(words, tuple):
        return words
    return tuple(prefixed(prefix, word) for word in words)


def _to_architectures(value: Iterable[str]) -> tuple[str, ...]:
    return _words("SCMP_ARCH_", value)


def _to_flags(value: Iterable[str]) -> tuple[str, ...]:
    return _words("SECCOMP_FILTER_FLAG_", value)


def _to_names(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else to_tuple(value)


@frozen(cache_hash=True)
class SyscallArg:
    """A condition on one argument of a system call."""

    index: int
    """Which argument, 0 to 5."""

    value: int
    """What it is compared with, 0 to 2**64-1; for ``SCMP_CMP_MASKED_EQ`` the mask."""

    value_two: int = 0
    """For ``SCMP_CMP_MASKED_EQ`` what the masked argument must be; else of no use."""

    op: str = field(default="SCMP_CMP_EQ", converter=_to_operator)
    """How it is compared: one of `OPERATORS`."""


def _to_args(value: Iterable[SyscallArg]) -> tuple[SyscallArg, ...]:
    return to_tuple(value)


@frozen(cache_hash=True, kw_only=True)
class Condition:
    """Where a rule is meant for: Docker's ``includes`` and ``excludes``.

    In *includes* all of the named capabilities must be there, in *excludes* one
    of them is enough to leave the rule out.
    """

    capabilities: frozenset[str] = field(
        default=frozenset(), converter=to_capability_names
    )
    """Capabilities in the bounding set of the process."""

    architectures: tuple[str, ...] = field(default=(), converter=_to_architectures)
    """Native architectures, one of which the machine must be."""

    min_kernel: tuple[int, int] | None = field(default=None)
    """The oldest kernel, as (4, 8)."""


@frozen(cache_hash=True, kw_only=True)
class Syscall:
    """What is done with some system calls.

    A rule without conditions on arguments is stronger than every rule with
    conditions on the same call; among equals the first counts. If one argument has
    several conditions, one of all the rule's conditions is enough, as in runc;
    otherwise all of them must hold.
    """

    names: tuple[str, ...] = field(converter=_to_names)
    """System calls by their kernel names."""

    action: str = field(converter=_to_action)
    """What is done: one of `ACTIONS`."""

    errno_ret: int | None = field(default=None)
    """The errno of ``SCMP_ACT_ERRNO``, the message of ``SCMP_ACT_TRACE``. None is
    EPERM."""

    args: tuple[SyscallArg, ...] = field(default=(), converter=_to_args)
    """Conditions on the arguments."""

    includes: Condition | None = field(default=None)
    """The rule is left out unless this holds."""

    excludes: Condition | None = field(default=None)
    """The rule is left out where this holds."""


def _to_syscalls(value: Iterable[Syscall]) -> tuple[Syscall, ...]:
    return to_tuple(value)


@frozen(cache_hash=True, kw_only=True)
class Seccomp:
    """Which system calls processes may make, and what happens with the others.

    The filter is the last thing that is set before the program runs. Without
    no_new_privs the kernel asks for CAP_SYS_ADMIN: then it is set before the user
    is, and must allow what is still to be done.
    """

    default_action: str = field(default="SCMP_ACT_ERRNO", converter=_to_action)
    """What is done with every call that no rule names: one of `ACTIONS`."""

    default_errno_ret: int | None = field(default=None)
    """As `Syscall.errno_ret`, for the default action. None is EPERM."""

    architectures: tuple[str, ...] = field(default=(), converter=_to_architectures)
    """Architectures whose calls may be made at all, besides the machine's own. A
    call of another one ends the thread."""

    flags: tuple[str, ...] = field(default=(), converter=_to_flags)
    """Some of `FLAGS`. ``WAIT_KILLABLE_RECV`` is for a listener, and without one
    nothing."""

    listener_path: str | None = field(default=None, converter=to_optional_path)
    """Host path of a unix socket that gets the listener of ``SCMP_ACT_NOTIFY``."""

    listener_metadata: str | None = field(default=None)
    """Opaque text for whoever listens there."""

    syscalls: tuple[Syscall, ...] = field(default=(), converter=_to_syscalls)
    """The rules."""

    bpf: bytes | None = field(default=None)
    """A ready classic BPF program in the machine's byte order, instead of rules."""

    unknown_syscalls: str = field(default="ignore")
    """What to do about names that no architecture has: ``ignore`` or ``error``."""

    @classmethod
    def default(cls) -> Seccomp:
        """Return the profile that `libcontainer.run` uses.

        It refuses what a container has no need of, as Docker's does, and allows
        more where the process has the capability for it.
        """
        from libcontainer.config.seccomp_default import DEFAULT  # noqa: PLC0415

        return DEFAULT

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Return ``linux.seccomp`` of an OCI bundle, or a profile of Docker's form.

        Raises:
            ConfigError: a field is unknown or of a wrong type; all at once.
        """
        from libcontainer.config.seccomp_json import from_json  # noqa: PLC0415

        return from_json(cls, document)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads.

        Raises:
            ValueError: it has *bpf*, for which the spec has no word.
        """
        from libcontainer.config.seccomp_json import to_json  # noqa: PLC0415

        return to_json(self)
