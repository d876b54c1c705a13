# SPDX-License-Identifier: Apache-2.0
"""What runs in a container."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from attrs import field, fields, frozen

from libcontainer.config.convert import (
    to_integers,
    to_optional_integers,
    to_optional_pairs,
    to_optional_user,
    to_strings,
)
from libcontainer.config.identity import (
    Capabilities,
    Rlimit,
    to_optional_capabilities,
    to_optional_rlimits,
)

if TYPE_CHECKING:
    from libcontainer.config.landlock import Landlock
    from libcontainer.security.seccomp.notify import NotifyHandler

# The values of subprocess, which takes long to import.
PIPE: Final = -1
STDOUT: Final = -2
DEVNULL: Final = -3


def _to_size(value: Sequence[int] | None) -> tuple[int, int] | None:
    return to_optional_integers(value)  # type: ignore[return-value]  # validator's part


@frozen
class Process:
    """A program and what it gets; None is taken from the container's `Config`.

    All paths and ids are the container's. Two processes are equal when they
    are alike but for *stdin*, *stdout* and *stderr*.
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
    """Further fds of the caller; inside they are numbered from 3, in order."""

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
