# SPDX-License-Identifier: Apache-2.0
"""Limits, privileges and user of a process, and the program it becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from libcontainer.config import (
    CAPABILITY_NUMBERS,
    RLIMIT_NUMBERS,
    Capabilities,
    Config,
)
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.facts import Facts
from libcontainer.plan.record import NONE
from libcontainer.plan.security import plan_labels
from libcontainer.plan.settings import Settings
from libcontainer.plan.steps import SendPidfd

if TYPE_CHECKING:
    from libcontainer.security.seccomp.compiler import Filter as SyscallFilter
    from libcontainer.security.seccomp.compiler import Target

_INFINITY = 2**64 - 1
_UNCHANGED = 2**32 - 1


def plan_session(
    builder: Builder, settings: Settings, dev: int = NONE, *, own: bool = True
) -> None:
    """Add the new session and its terminal, or the caller's descriptors.

    Args:
        builder: the plan in the making.
        settings: what the process gets.
        dev: slot of the container's /dev where /dev/console is to be made.
        own: whether this process is to have the session; else its child is.
    """
    builder.stage("terminal")
    if not settings.terminal:
        if own:
            builder.init(ops.Call("setsid", (), "start a new session"))
        return
    slot = builder.slot("terminal")
    owner = (settings.identity.uid, _UNCHANGED)
    master = builder.slot("master")
    console = NONE if dev == NONE else builder.slot("console")
    size = settings.console_size
    builder.init(ops.Terminal(slot, master, size, owner, dev, console, session=own))


def plan_identity(
    builder: Builder,
    settings: Settings,
    facts: Facts,
    *,
    keep_groups: bool,
    filters: SyscallFilter | None = None,
    procfs: int = NONE,
) -> None:
    """Add limits, umask, labels, no_new_privs, Landlock and the user, in this order.

    With no_new_privs a label may only be named if it allows less. Landlock wants
    no_new_privs or a capability that the user may not have. So does a filter of
    system calls; where the process can set it itself that comes last of all.
    """
    builder.stage("identity")
    for limit in settings.rlimits:
        number = RLIMIT_NUMBERS[limit.type]
        soft, hard = _rlimit(limit.soft), _rlimit(limit.hard)
        builder.init(ops.SetRlimit(number, limit.type, soft, hard))
    builder.init(ops.Umask(settings.umask))
    # Opened here already: Landlock or a filter may forbid it later.
    status = plan_labels(builder, settings, procfs)
    if settings.no_new_privs:
        builder.init(ops.NoNewPrivs())
    if settings.landlock is not None:
        from libcontainer.plan import landlock  # noqa: PLC0415 - loaded only if used

        abi = facts.security.landlock_abi if facts.security else 0
        landlock.plan_landlock(builder, settings.landlock, abi)
    if filters is not None and not may_filter(settings):
        builder.init(ops.Seccomp(filters.program, filters.flags, now=True))
    builder.init(_identity(settings, status, keep_groups=keep_groups))


def plan_handover(builder: Builder, settings: Settings, *, barrier: bool) -> None:
    """Add the last word with the host: its pidfd is sent, or set-up has gone well.

    Args:
        builder: the plan in the making.
        settings: what the process gets.
        barrier: whether a word is needed although nothing is to be sent.
    """
    if settings.sends_pidfd:
        builder.host(SendPidfd())
    elif barrier:
        builder.init(ops.Barrier(early=True))


def plan_exec(
    builder: Builder,
    settings: Settings,
    fds: tuple[tuple[int, int], ...],
    filters: SyscallFilter | None = None,
) -> None:
    """Add the last operations: the filter, and the program in the helper's place."""
    if filters is not None and may_filter(settings):
        builder.init(ops.Seccomp(filters.program, filters.flags))
    env = settings.env
    if settings.listen_names:
        env = (*_listen_env(settings.listen_names), *env)
    builder.init(ops.Exec(settings.args, env, fds, own_pid=env is not settings.env))


def _listen_env(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return what sd_listen_fds(3) looks for; the helper knows the pid."""
    return (
        f"LISTEN_FDS={len(names)}",
        f"LISTEN_FDNAMES={':'.join(names)}",
    )


def syscall_filter(
    config: Config, settings: Settings, facts: Facts
) -> SyscallFilter | None:
    """Return the filter of one process, or None if there is none.

    Raises:
        ConfigError: the filter is too long, or shuts the helper out.
        UnsupportedError: there is no table of system calls for the machine.
    """
    if config.seccomp is None:
        return None
    from libcontainer.security.seccomp.compiler import (  # noqa: PLC0415
        compile_profile,
    )

    return compile_profile(config.seccomp, filter_target(settings, facts))


def filter_target(settings: Settings, facts: Facts) -> Target:
    """Return what the filter of one process is compiled for."""
    from libcontainer.security.seccomp.compiler import Target  # noqa: PLC0415

    return Target(facts.machine, facts.kernel, settings.capabilities.bounding)


def may_filter(settings: Settings) -> bool:
    """Tell whether the process can set its filter itself, last of all."""
    # seccomp(2): one of the two is needed to set a filter.
    return settings.no_new_privs or ("CAP_SYS_ADMIN" in settings.capabilities.effective)


def take_fds(builder: Builder, settings: Settings) -> None:
    """Give a slot to every descriptor the caller hands in."""
    first = 3 if settings.terminal else 0
    for number in range(first, 3 + settings.pass_fds):
        builder.stdio(number)


def exec_fds(builder: Builder, settings: Settings) -> tuple[tuple[int, int], ...]:
    """Return (slot, container fd) of every descriptor that lives on."""
    given = tuple((slot, number) for number, slot in builder.stdio_slots)
    if not settings.terminal:
        return given
    terminal = builder.slot_of("terminal")
    return tuple((terminal, number) for number in range(3)) + given


def _identity(settings: Settings, status: int, *, keep_groups: bool) -> ops.SetIdentity:
    who, sets = settings.identity, settings.capabilities
    return ops.SetIdentity(
        status,
        uid=who.uid,
        gid=who.gid,
        groups=() if keep_groups else tuple(dict.fromkeys(who.groups)),
        keep_groups=keep_groups,
        bounding=capability_mask(sets.bounding),
        effective=capability_mask(sets.effective),
        permitted=capability_mask(sets.permitted),
        inheritable=capability_mask(_inheritable(sets)),
        ambient=capability_mask(sets.ambient),
        no_new_privs=settings.no_new_privs,
    )


def _inheritable(sets: Capabilities) -> frozenset[str]:
    # The kernel raises a capability in the ambient set only if it is
    # inheritable too (capabilities(7)); else the set stays empty.
    return sets.inheritable | sets.ambient


def capability_mask(names: frozenset[str]) -> int:
    """Return capabilities as the kernel has a set: one bit for each."""
    return sum(1 << CAPABILITY_NUMBERS[name] for name in names)


def _rlimit(value: int | None) -> int:
    return _INFINITY if value is None or value == -1 else value
