# SPDX-License-Identifier: Apache-2.0
"""What one process gets: its own wishes, and the container's where it has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from attrs import frozen

from libcontainer.config import Capabilities, Config, NamespaceType, Rlimit
from libcontainer.plan.facts import Identity
from libcontainer.process import Process

if TYPE_CHECKING:
    from libcontainer.config.landlock import Landlock
    from libcontainer.config.memory import MemoryPolicy, Personality
    from libcontainer.config.scheduling import CpuAffinity, IoPriority, Scheduler

T = TypeVar("T")

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@frozen(kw_only=True)
class Settings:
    """The merged settings of one process; every path is a container path.

    Attributes:
        host_uid: who it is to the caller's user namespace, None if not known.
    """

    args: tuple[str, ...]
    env: tuple[str, ...]
    candidates: tuple[str, ...]
    cwd: str
    identity: Identity
    host_uid: int | None
    capabilities: Capabilities
    no_new_privs: bool
    apparmor_profile: str | None
    process_label: str | None
    landlock: Landlock | None
    rlimits: tuple[Rlimit, ...]
    umask: int
    terminal: bool
    console_size: tuple[int, int] | None
    pass_fds: int
    listen_names: tuple[str, ...]
    sends_pidfd: bool
    wait_fifo: str | None
    oom_score_adj: int | None
    scheduler: Scheduler | None
    io_priority: IoPriority | None
    cpu_affinity: CpuAffinity | None
    memory_policy: MemoryPolicy | None
    personality: Personality | None
    keyring: bool
    parent_death_signal: int | None
    ksm: bool
    thp_disable: bool
    coredump_filter: int | None


def merge(config: Config, process: Process, identity: Identity) -> Settings:
    """Return the settings of *process* in a container of *config*."""
    env = dict(config.env if process.env is None else process.env)
    env.setdefault("HOME", identity.home)
    search = env.get("PATH", _DEFAULT_PATH)
    return Settings(
        args=process.args,
        env=tuple(f"{key}={value}" for key, value in env.items()),
        candidates=candidates(process.args[0], search),
        cwd=_first(process.cwd, config.cwd),
        identity=identity,
        host_uid=_host_uid(config, identity.uid),
        capabilities=_first(process.capabilities, config.capabilities),
        no_new_privs=_first(process.no_new_privs, config.no_new_privs),
        apparmor_profile=_first(process.apparmor_profile, config.apparmor_profile),
        process_label=_first(process.process_label, config.process_label),
        landlock=_first(process.landlock, config.landlock),
        rlimits=_first(process.rlimits, config.rlimits),
        umask=_first(process.umask, config.umask),
        terminal=_first(process.terminal, config.terminal),
        console_size=process.console_size,
        pass_fds=len(process.listen_fds) + len(process.pass_fds),
        listen_names=tuple(name for name, _ in process.listen_fds),
        sends_pidfd=process.pidfd_socket is not None,
        wait_fifo=process.wait_fifo,
        oom_score_adj=_first(process.oom_score_adj, config.oom_score_adj),
        scheduler=_first(process.scheduler, config.scheduler),
        io_priority=_first(process.io_priority, config.io_priority),
        cpu_affinity=_first(process.cpu_affinity, config.cpu_affinity),
        memory_policy=_first(process.memory_policy, config.memory_policy),
        personality=_first(process.personality, config.personality),
        keyring=_first(process.keyring, config.keyring),
        parent_death_signal=_first(
            process.parent_death_signal, config.parent_death_signal
        ),
        ksm=_first(process.ksm, config.ksm),
        thp_disable=_first(process.thp_disable, config.thp_disable),
        coredump_filter=_first(process.coredump_filter, config.coredump_filter),
    )


def _host_uid(config: Config, uid: int) -> int | None:
    if NamespaceType.USER not in config.namespaces:
        return uid
    for m in config.uid_mappings:
        if m.container_id <= uid < m.container_id + m.size:
            return m.host_id + uid - m.container_id
    return None


def candidates(program: str, search: str) -> tuple[str, ...]:
    """Return the paths *program* may be at.

    A name with a slash is a path. Relative and empty entries of the search
    path are left out: what is run must not depend on the working directory.
    """
    if "/" in program:
        return (program,)
    folders = [folder for folder in search.split(":") if folder.startswith("/")]
    return tuple(f"{folder.rstrip('/')}/{program}" for folder in folders) or (program,)


def _first(own: T | None, inherited: T) -> T:
    return inherited if own is None else own
