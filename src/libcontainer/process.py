# SPDX-License-Identifier: Apache-2.0
"""What runs in a container."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from attrs import field, fields, frozen

from libcontainer.config.convert import (
    StrPath,
    to_integers,
    to_optional_affinity,
    to_optional_integers,
    to_optional_io_priority,
    to_optional_pairs,
    to_optional_path,
    to_optional_personality,
    to_optional_scheduler,
    to_optional_signal,
    to_optional_user,
    to_path,
    to_strings,
    to_tuple,
)
from libcontainer.config.identity import (
    Capabilities,
    Rlimit,
    to_optional_capabilities,
    to_optional_rlimits,
)

if TYPE_CHECKING:
    from libcontainer.config.landlock import Landlock
    from libcontainer.config.memory import MemoryPolicy, Personality
    from libcontainer.config.resources import Resources
    from libcontainer.config.scheduling import CpuAffinity, IoPriority, Scheduler
    from libcontainer.security.seccomp.notify import NotifyHandler

# The values of subprocess, which takes long to import.
PIPE: Final = -1
STDOUT: Final = -2
DEVNULL: Final = -3

# What sd_listen_fds_with_names(3) calls an fd without a name.
_UNNAMED: Final = "unknown"


def _to_size(value: Sequence[int] | None) -> tuple[int, int] | None:
    return to_optional_integers(value)  # type: ignore[return-value]  # validator's part


def _to_socket(value: StrPath | int | None) -> str | int | None:
    if value is None:
        return None
    return to_path(value) if isinstance(value, str | os.PathLike) else value


def _to_listen_fds(
    value: Mapping[str, int] | Iterable[int | tuple[str, int]],
) -> tuple[tuple[str, int], ...]:
    if value == ():
        return ()
    if isinstance(value, Mapping):
        return tuple(value.items())
    items = to_tuple(value)
    if not isinstance(items, tuple):
        return items
    return tuple(_named(item) for item in items)


def _named(item: Any) -> Any:  # noqa: ANN401
    if isinstance(item, int):
        return _UNNAMED, item
    return tuple(item) if isinstance(item, list) else item


@frozen
class Log:
    """A file that a detached container's output is copied to, byte by byte."""

    path: str = field(converter=to_path)
    """Where it is, an absolute host path; its folder must exist. It is made with
    mode 0600 and appended to."""

    max_size: int = field(default=0, kw_only=True)
    """Bytes no file grows beyond, from 4096 on; 0 is no limit."""

    max_files: int = field(default=1, kw_only=True)
    """How many files are kept, 1 to 32: a full one becomes ``path.1``, that one
    ``path.2``, and the oldest goes. With 1 a full file is emptied."""


@frozen(cache_hash=True)
class Process:
    """A program and what it gets; None is taken from the container's `Config`.

    All paths and ids are the container's. Two processes are equal when they
    are alike but for *stdin*, *stdout*, *stderr* and *console_socket*.
    """

    args: tuple[str, ...] = field(converter=to_strings)
    """The program and its arguments. A program without a slash is looked up in
    the PATH of its environment."""

    env: tuple[tuple[str, str], ...] | None = field(
        default=None, converter=to_optional_pairs, kw_only=True
    )
    """Environment: a mapping, ``K=V`` texts or pairs; it replaces the config's."""

    cwd: str | None = field(default=None, kw_only=True)
    """Where it starts, an absolute container path."""

    user: str | None = field(default=None, converter=to_optional_user, kw_only=True)
    """Who it is: ``name``, ``uid``, ``name:group``, ``uid:gid`` and mixes."""

    additional_groups: tuple[int, ...] | None = field(
        default=None, converter=to_optional_integers, kw_only=True
    )
    """Supplementary group ids, and no others."""

    capabilities: Capabilities | None = field(
        default=None, converter=to_optional_capabilities, kw_only=True
    )
    """Its capabilities; a plain list means `Capabilities.of` it."""

    no_new_privs: bool | None = field(default=None, kw_only=True)
    """Whether execve(2) can give nothing more."""

    apparmor_profile: str | None = field(default=None, kw_only=True)
    """Name of the AppArmor profile it runs under, or ``unconfined``."""

    process_label: str | None = field(default=None, kw_only=True)
    """Its SELinux label, ``user:role:type:level``."""

    landlock: Landlock | None = field(default=None, kw_only=True)
    """Rights it gives up for good; ``Landlock()`` gives up none."""

    rlimits: tuple[Rlimit, ...] | None = field(
        default=None, converter=to_optional_rlimits, kw_only=True
    )
    """Resource limits; they replace the config's."""

    umask: int | None = field(default=None, kw_only=True)
    """File mode creation mask."""

    terminal: bool | None = field(default=None, kw_only=True)
    """Whether it gets a new pseudo-terminal as its standard streams."""

    console_size: tuple[int, int] | None = field(
        default=None, converter=_to_size, kw_only=True
    )
    """Rows and columns of the terminal. None: the kernel's 0 by 0."""

    oom_score_adj: int | None = field(default=None, kw_only=True)
    """How soon the kernel's out-of-memory killer takes it, -1000 to 1000."""

    scheduler: Scheduler | None = field(
        default=None, converter=to_optional_scheduler, kw_only=True
    )
    """How processors are shared out to it."""

    io_priority: IoPriority | None = field(
        default=None, converter=to_optional_io_priority, kw_only=True
    )
    """How its reads and writes are ordered."""

    cpu_affinity: CpuAffinity | None = field(
        default=None, converter=to_optional_affinity, kw_only=True
    )
    """The processors that it runs on."""

    memory_policy: MemoryPolicy | None = field(default=None, kw_only=True)
    """From which memory nodes its memory comes."""

    personality: Personality | None = field(
        default=None, converter=to_optional_personality, kw_only=True
    )
    """Which machine it takes this one for."""

    keyring: bool | None = field(default=None, kw_only=True)
    """Whether it gets a new, empty session keyring."""

    parent_death_signal: int | None = field(
        default=None, converter=to_optional_signal, kw_only=True
    )
    """Signal that it gets when the *thread* that started it ends; for what else
    is to be known see `Config`."""

    ksm: bool | None = field(default=None, kw_only=True)
    """Whether the kernel may merge equal pages of it."""

    thp_disable: bool | None = field(default=None, kw_only=True)
    """Whether it gets no transparent huge pages."""

    coredump_filter: int | None = field(default=None, kw_only=True)
    """Which kinds of memory a core dump holds, bits 0 to 8."""

    cgroup: str | None = field(default=None, kw_only=True)
    """A cgroup below the container's that it enters, a relative path; it must be
    there. On cgroup v1 also ``CONTROLLER[,...]:PATH`` for some hierarchies, several
    joined by ``;``. ``.`` is the container's own. So is None, but on v2, once cgroups
    below that have controllers so that it takes no processes, None is the one that
    init is in. Only of a further process."""

    resources: Resources | None = field(default=None, kw_only=True)
    """Limits of it and its children alone, within the container's: a cgroup of its
    own has them, which goes with it. Only of a further process; without *devices*.
    On cgroup v2 the first such process moves those in the container's cgroup to one
    below it, ``main``."""

    wait_fifo: str | None = field(
        default=None, converter=to_optional_path, kw_only=True
    )
    """A named pipe, by its absolute host path. All is made ready, and the program is
    executed as soon as somebody opens the pipe for reading, who then reads its end.
    Until then it is the library's helper that runs in the container, with the
    process's ids: these must be allowed to search the pipe's folder and to write to
    the pipe. The handle is returned at once, so that a program that cannot be executed
    after all ends with 127, and a pipe that cannot be opened with 1. Signals but
    SIGKILL wait, too. Only of a further process, without *notify*."""

    console_socket: Any = field(
        default=None, converter=_to_socket, kw_only=True, eq=False
    )
    """Who gets the terminal's master: the path of a listening unix stream socket
    on the host, or the fd of a connected one, which stays the caller's. It comes
    in one message, with the terminal's name as its data, as runc has it
    (``docs/terminals.md`` there). None: the master is the handle's ``terminal``."""

    stdin: Any = field(default=None, kw_only=True, eq=False)
    """Standard input: None inherits the caller's, `PIPE`, `DEVNULL`, an fd of
    the caller or an object with ``fileno()``. Where the process is another user
    of the host than the caller, and the caller may, a stream that is a pipe, or
    a file open for writing, comes to belong to that user."""

    stdout: Any = field(default=None, kw_only=True, eq=False)
    """Standard output, as *stdin*."""

    stderr: Any = field(default=None, kw_only=True, eq=False)
    """Standard error, as *stdin*; or `STDOUT`, the same as standard output."""

    notify: NotifyHandler | None = field(default=None, kw_only=True, eq=False)
    """Answers the calls for which the container's seccomp profile has
    ``SCMP_ACT_NOTIFY``, in a thread of the caller. It is not saved: a process that
    waits at the gate cannot have one."""

    pass_fds: tuple[int, ...] = field(default=(), converter=to_integers, kw_only=True)
    """Further fds of the caller; inside they are numbered from 3, in order,
    after those of *listen_fds*."""

    listen_fds: tuple[tuple[str, int], ...] = field(
        default=(), converter=_to_listen_fds, kw_only=True
    )
    """Sockets of the caller that it serves: fds, or a mapping of names to fds.
    Inside they are numbered from 3, and LISTEN_FDS, LISTEN_PID and
    LISTEN_FDNAMES tell of them. Source: sd_listen_fds(3)."""

    pidfd_socket: str | int | None = field(
        default=None, converter=_to_socket, kw_only=True
    )
    """Where its pidfd is sent, with SCM_RIGHTS (unix(7)), before the program
    runs: an absolute host path of a listening unix socket, or the fd of a
    connected one. With `Config.init` it is init's."""

    @classmethod
    def from_json(cls, document: Mapping[str, Any] | str | bytes) -> Process:
        """Return the process that an OCI process object describes.

        What the object does not have is the container's, except the groups of
        an object with a user: it has those it names and no others. With
        ``username`` alone the user is looked up in the container.

        Args:
            document: the object, or its JSON text.

        Raises:
            ConfigError: with every problem: a key that is unknown, or of what
                this release does not do; a value of a wrong type or range.

        Source: OCI runtime specification, ``config.md`` *Process*.
        """
        from libcontainer.config.process_json import process_fields  # noqa: PLC0415

        names = frozenset(attribute.name for attribute in fields(cls))
        return cls(**process_fields(document, names))

    def to_json(self) -> dict[str, Any]:
        """Return the process as an OCI process object, of JSON values.

        Streams and *pass_fds* are of this program and left out. So is what the
        process takes from its container.

        Raises:
            ConfigError: *user* is neither ``uid:gid`` nor one name, or is None
                while groups or umask are set: the object has no place for it.
        """
        from libcontainer.config.process_json import process_to_json  # noqa: PLC0415

        return process_to_json(self)
