# SPDX-License-Identifier: Apache-2.0
"""How a checkpoint is taken, and how a container comes back from one."""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

from libcontainer.config.convert import to_optional_path

CGROUP_MODES: Final = ("ignore", "soft", "full", "strict")
NETWORK_LOCKS: Final = ("iptables", "nftables", "skip")


@frozen(kw_only=True)
class CriuOptions:
    """What CRIU is asked to do. Paths are host paths; see criu(8).

    The same options have to be given to take a checkpoint and to restore it, as
    far as they are about connections, locks and terminals.
    """

    criu: str = field(default="criu")
    """The program; a name without a slash is looked up in PATH."""

    work_dir: str | None = field(default=None, converter=to_optional_path)
    """Where CRIU writes its logs. None: the image directory."""

    leave_running: bool = field(default=False)
    """Checkpoint only: whether the container goes on afterwards."""

    tcp_established: bool = field(default=False)
    """Whether established TCP connections are kept. Without it they are an error."""

    tcp_close: bool = field(default=False)
    """Restore only: whether established connections come back closed."""

    tcp_skip_in_flight: bool = field(default=False)
    """Checkpoint only: whether connections that are just being made are dropped."""

    external_unix_sockets: bool = field(default=False)
    """Whether sockets whose other end is outside may be there."""

    shell_job: bool = field(default=False)
    """Whether a process may have a session or a terminal from outside."""

    file_locks: bool = field(default=False)
    """Whether file locks are kept. Without it they are an error."""

    link_remap: bool = field(default=False)
    """Checkpoint only: whether a file that is open and was unlinked may get a
    temporary name beside its old one."""

    ghost_limit: int | None = field(default=None)
    """Checkpoint only: most bytes of an open unlinked file that are kept, up to
    2**32 - 1. None: CRIU's, 1 MiB."""

    parent: str | None = field(default=None)
    """Checkpoint only: an earlier image, relative to the image directory; what has
    not changed since is not written again."""

    pre_dump: bool = field(default=False)
    """Checkpoint only: whether just memory is written, and the container goes on,
    so that a later checkpoint with this one as *parent* is quick."""

    auto_dedup: bool = field(default=False)
    """Whether memory that a later image holds too is punched out of its parents."""

    lazy_pages: bool = field(default=False)
    """Whether memory is fetched when it is touched (userfaultfd(2)): a checkpoint
    then serves pages, at *page_server* or its work directory's socket, until the
    restored container has them; a restore needs ``criu lazy-pages`` to run."""

    page_server: tuple[str, int] | None = field(default=None)
    """Checkpoint only: address and port to send memory to instead of writing it."""

    manage_cgroups: str = field(default="soft")
    """``soft`` puts the processes into their places below the container's cgroup and
    keeps the limits of the configuration, ``full`` has those of the image written.
    ``strict`` and, without sub-cgroups, ``ignore`` are for a checkpoint only."""

    network_lock: str | None = field(default=None)
    """How connections are held meanwhile: ``iptables``, ``nftables`` or ``skip``.
    None: CRIU's choice."""

    empty_network: bool = field(default=False)
    """Whether the network namespace comes back empty, for somebody else to fill."""

    lsm_profile: str | None = field(default=None)
    """Restore only: another label, ``apparmor:NAME`` or ``selinux:LABEL``."""

    lsm_mount_context: str | None = field(default=None)
    """Restore only: another SELinux context of the mounts."""

    config_file: str | None = field(default=None, converter=to_optional_path)
    """A configuration file of CRIU's own. It can override what is said here."""

    status_fd: int | None = field(default=None)
    """An fd to write a NUL byte to when pages are ready to be served (*lazy_pages*)."""

    timeout_seconds: float = field(default=60.0)
    """After this CRIU is ended; a checkpoint leaves the container running then."""


CHECKPOINT_ONLY: Final = (
    "leave_running",
    "tcp_skip_in_flight",
    "link_remap",
    "ghost_limit",
    "parent",
    "pre_dump",
    "page_server",
    "status_fd",
)
RESTORE_ONLY: Final = ("tcp_close", "lsm_profile", "lsm_mount_context")
