# SPDX-License-Identifier: Apache-2.0
"""What a container is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Protocol

from attrs import field, frozen

from libcontainer.config.convert import (
    to_container_paths,
    to_frozenset,
    to_networks,
    to_optional_affinity,
    to_optional_integers,
    to_optional_io_priority,
    to_optional_path,
    to_optional_personality,
    to_optional_scheduler,
    to_optional_signal,
    to_pairs,
    to_routes,
    to_texts,
    to_tuple,
    to_user,
)
from libcontainer.config.devices import DEFAULT_DEVICES, Device, to_devices
from libcontainer.config.hooks import NO_HOOKS, Hooks
from libcontainer.config.identity import (
    DEFAULT_CAPABILITIES,
    Capabilities,
    Rlimit,
    to_capabilities,
    to_rlimits,
)
from libcontainer.config.mounts import (
    DEFAULT_BASE_MOUNTS,
    Mount,
    Propagation,
    to_mounts,
    to_propagation,
)
from libcontainer.config.namespaces import (
    DEFAULT_NAMESPACES,
    IdMapping,
    NamespaceType,
    TimeOffset,
    to_mappings,
    to_namespace,
    to_namespace_paths,
    to_time_offsets,
)
from libcontainer.config.resources import Resources
from libcontainer.config.rootfs import Overlay, Rootfs, to_rootfs

if TYPE_CHECKING:
    from libcontainer.config.landlock import Landlock
    from libcontainer.config.memory import MemoryPolicy, Personality
    from libcontainer.config.network import Dns, Network, Route
    from libcontainer.config.rdt import IntelRdt
    from libcontainer.config.scheduling import CpuAffinity, IoPriority, Scheduler
    from libcontainer.config.seccomp import Seccomp

DEFAULT_ENV: Final = (
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
)

DEFAULT_MASKED_PATHS: Final = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
"""Files and directories of the kernel that tell of the host, or harm it."""

DEFAULT_READONLY_PATHS: Final = (
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
)
"""Files and directories of the kernel that the container may only read."""


def thermal_throttle_paths(cpu_count: int) -> tuple[str, ...]:
    """Return what is to be masked besides, on a host of *cpu_count* processors.

    How often a processor was throttled tells the load of others. Only physical
    x86_64 machines have these directories.
    """
    folder = "/sys/devices/system/cpu"
    return tuple(f"{folder}/cpu{cpu}/thermal_throttle" for cpu in range(cpu_count))


def to_namespaces(value: Iterable[str]) -> frozenset[NamespaceType]:
    """Return kinds of namespaces from their names; a wrong one stays as it is."""
    words = to_tuple(value)
    if not isinstance(words, tuple):
        return words
    return to_frozenset([to_namespace(word) for word in words])


@frozen(kw_only=True, cache_hash=True)
class Config:
    """What a container is, and what its processes get by default.

    Frozen, hashable and picklable; `attrs.evolve` makes a changed copy. Making
    one checks nothing: `libcontainer.validate` tells everything that is wrong
    at once, and every launch asks it first. Without arguments it is a working
    container on the host's own root.
    """

    rootfs: Rootfs = field(factory=Overlay.host, converter=to_rootfs)
    """The container's root; a path means a `Directory`."""

    readonly_rootfs: bool = field(default=False)
    """Whether the root's own mount is read-only. Other mounts keep their own
    attributes."""

    rootfs_propagation: Propagation = field(
        default=Propagation.RPRIVATE, converter=to_propagation
    )
    """Propagation of the root's own mount. ``slave``: what the host mounts below
    the rootfs later is seen in the container. ``shared`` is that, and mounts of the
    container are seen in mount namespaces that are made in it; never on the host."""

    no_pivot_root: bool = field(default=False)
    """Whether the root is moved upon ``/`` and entered by chroot(2): for a host whose
    own root is an initramfs, which pivot_root(2) cannot leave. Less confining: what
    lies below is kept from the container by chroot(2) alone. For a privileged caller
    that is an empty directory, for any other the host's root."""

    namespaces: frozenset[NamespaceType] = field(
        default=DEFAULT_NAMESPACES, converter=to_namespaces
    )
    """Namespaces that the container does not share with the caller: new ones,
    but for those that *namespace_paths* says to join. The mount namespace must
    be there."""

    namespace_paths: tuple[tuple[NamespaceType, str], ...] = field(
        default=(), converter=to_namespace_paths
    )
    """Which of *namespaces* are joined, a mapping of the kind to a host path such
    as ``/run/netns/x`` or ``/proc/PID/ns/net``. It must be a namespace of that
    kind when the first process starts. A user namespace brings its id maps; a
    mount namespace brings its root (the rootfs is then ``Directory("/")``, and
    nothing is mounted). Needs CAP_SYS_ADMIN over each, as setns(2) says."""

    uid_mappings: tuple[IdMapping, ...] = field(default=(), converter=to_mappings)
    """User ids of a new user namespace. Empty, with *gid_mappings*: those that
    `libcontainer.subid_mappings` returns when the container is made."""

    gid_mappings: tuple[IdMapping, ...] = field(default=(), converter=to_mappings)
    """Group ids of a new user namespace; empty exactly if *uid_mappings* is."""

    time_offsets: tuple[tuple[str, TimeOffset], ...] = field(
        default=(), converter=to_time_offsets
    )
    """How far the clocks ``monotonic`` and ``boottime`` of a new time namespace
    are ahead of the host's: a mapping to seconds or a `TimeOffset`. Linux 5.6."""

    hostname: str | None = field(default=None)
    """Host name in the UTS namespace. None: the host's."""

    domainname: str | None = field(default=None)
    """NIS domain name in the UTS namespace. None: the host's."""

    base_mounts: tuple[Mount, ...] = field(
        default=DEFAULT_BASE_MOUNTS, converter=to_mounts
    )
    """The standard mounts, made first and in this order."""

    mounts: tuple[Mount, ...] = field(default=(), converter=to_mounts)
    """Further mounts, in this order; a later one covers an earlier one."""

    devices: tuple[Device, ...] = field(default=DEFAULT_DEVICES, converter=to_devices)
    """Nodes of the container's own /dev."""

    masked_paths: tuple[str, ...] = field(
        default=DEFAULT_MASKED_PATHS, converter=to_container_paths
    )
    """Container paths that are hidden; one that is not there is left out. The
    default also hides `thermal_throttle_paths` of the host's processors."""

    readonly_paths: tuple[str, ...] = field(
        default=DEFAULT_READONLY_PATHS, converter=to_container_paths
    )
    """Container paths that are read-only; one that is not there is left out."""

    loopback: bool = field(default=True)
    """Whether ``lo`` is set up in a network namespace of its own."""

    networks: tuple[Network, ...] = field(default=(), converter=to_networks)
    """Its networks beside ``lo``, set up in this order in a new network namespace:
    `Veth`, `Macvlan`, `NetDevice`, `Cni` and the others of
    `libcontainer.config.network`."""

    routes: tuple[Route, ...] = field(default=(), converter=to_routes)
    """Routes that are added after all networks are up."""

    dns: Dns | None = field(default=None)
    """What its ``/etc/resolv.conf`` and ``/etc/hosts`` say. None: as in the image."""

    env: tuple[tuple[str, str], ...] = field(default=DEFAULT_ENV, converter=to_pairs)
    """Environment of processes: a mapping, ``K=V`` texts or pairs. Nothing
    else is in it but HOME, from the container's passwd file."""

    cwd: str = field(default="/")
    """Where processes start, an absolute container path."""

    user: str = field(default="0:0", converter=to_user)
    """Who processes are in the container: ``name``, ``uid``, ``name:group``,
    ``uid:gid`` and mixes; names are of its passwd and group files. Empty: 0."""

    additional_groups: tuple[int, ...] | None = field(
        default=None, converter=to_optional_integers
    )
    """Supplementary group ids in the container, and no others. None: those
    that the container's group file gives the user, if *user* names no group."""

    keep_groups: bool = field(default=False)
    """Whether processes keep the supplementary groups of the caller and get no
    others. In a user namespace a group that is not mapped shows as 65534, and
    still opens the files that are its own."""

    capabilities: Capabilities = field(
        default=DEFAULT_CAPABILITIES, converter=to_capabilities
    )
    """Capabilities of processes; a plain list means `Capabilities.of` it."""

    no_new_privs: bool = field(default=True)
    """Whether execve(2) can give nothing more, not even by set-id files."""

    apparmor_profile: str | None = field(default=None)
    """Name of the AppArmor profile that processes run under; it must be loaded.
    ``unconfined``: none. None: what the kernel gives to a child of the caller."""

    process_label: str | None = field(default=None)
    """SELinux label of processes, ``user:role:type:level``. None: what the policy
    gives."""

    mount_label: str | None = field(default=None)
    """SELinux label of the files on every tmpfs, devpts and overlay that is made for
    the container. None: what the policy gives."""

    landlock: Landlock | None = field(default=None)
    """Rights that processes give up for good. None: no others than the caller's."""

    seccomp: Seccomp | None = field(default=None)
    """Which system calls processes may make. None: all of them; `Seccomp.default`
    is what `libcontainer.run` takes."""

    rlimits: tuple[Rlimit, ...] = field(default=(), converter=to_rlimits)
    """Resource limits; those not named are the caller's."""

    umask: int = field(default=0o022)
    """File mode creation mask."""

    terminal: bool = field(default=False)
    """Whether processes get a new pseudo-terminal."""

    resources: Resources = field(factory=Resources)
    """What it may use: the limits of its cgroup."""

    cgroups_path: str | None = field(default=None)
    """Its cgroup: from the root of the hierarchy if it begins with ``/``, else
    below the caller's own. None: ``libcontainer-ID`` below the caller's own."""

    intel_rdt: IntelRdt | None = field(default=None)
    """Its share of caches and of memory bandwidth. None: that of its caller."""

    hooks: Hooks = field(default=NO_HOOKS)
    """What runs at fixed points of the container's life."""

    init: bool = field(default=False)
    """Whether a tiny supervisor is the container's first process, and the first
    program its child: it passes signals on, reaps orphans, and ends as the
    program does. Needs a pid namespace of its own."""

    sysctl: tuple[tuple[str, str], ...] = field(default=(), converter=to_texts)
    """Kernel parameters of the container's own namespaces, a mapping such as
    ``{"net.ipv4.ip_forward": "1"}``. Source: sysctl(8), OCI ``linux.sysctl``."""

    oom_score_adj: int | None = field(default=None)
    """How soon the kernel's out-of-memory killer takes a process: from -1000,
    never, to 1000, first. None: the caller's. Less than the caller's needs
    CAP_SYS_RESOURCE on the host. Source: proc_pid_oom_score_adj(5)."""

    scheduler: Scheduler | None = field(default=None, converter=to_optional_scheduler)
    """How processors are shared out to processes. None: as to the caller."""

    io_priority: IoPriority | None = field(
        default=None, converter=to_optional_io_priority
    )
    """How reads and writes of processes are ordered. None: as the caller's."""

    cpu_affinity: CpuAffinity | None = field(
        default=None, converter=to_optional_affinity
    )
    """The processors that processes run on; ``"0-3,7"`` or numbers mean those
    of the program. None: the caller's."""

    core_scheduling: bool = field(default=False)
    """Whether no other process runs on the same core at the same time: the
    container gets a cookie of its own, and all of its processes share it. Needs
    a pid namespace of its own, and Linux 5.14 with CONFIG_SCHED_CORE. Source:
    prctl(2), PR_SCHED_CORE."""

    memory_policy: MemoryPolicy | None = field(default=None)
    """From which memory nodes memory comes. None: as the caller's."""

    personality: Personality | None = field(
        default=None, converter=to_optional_personality
    )
    """Which machine programs take this one for. None: as the caller."""

    keyring: bool = field(default=True)
    """Whether each process gets a new, empty session keyring. False: it has the
    caller's, with all keys in it. Source: session-keyring(7)."""

    parent_death_signal: int | None = field(default=None, converter=to_optional_signal)
    """Signal that a process gets when its parent ends, a number or a name such
    as ``"SIGKILL"``. Its parent is the *thread* of the caller that started it,
    not the caller: start it from a thread that lives on. A first process of a
    pid namespace heeds SIGKILL, and others only if it has a handler. A program
    with set-id bits or file capabilities loses it. Source: PR_SET_PDEATHSIG(2const)."""

    ksm: bool = field(default=False)
    """Whether the kernel may merge equal pages of processes. Needs Linux 6.7
    with CONFIG_KSM. Source: prctl(2), PR_SET_MEMORY_MERGE."""

    thp_disable: bool = field(default=False)
    """Whether processes get no transparent huge pages. Source: prctl(2),
    PR_SET_THP_DISABLE."""

    coredump_filter: int | None = field(default=None)
    """Which kinds of memory a core dump holds, bits 0 to 8. None: as the
    caller's. Source: core(5)."""

    notify_socket: str | None = field(default=None, converter=to_optional_path)
    """Where the caller's service manager listens, its own NOTIFY_SOCKET: a host
    path, or ``@`` and an abstract name. The first program gets a socket at
    ``/dev/notify`` and NOTIFY_SOCKET; a thread of the caller passes on what it
    says of itself, and init's host pid as MAINPID. None: no socket. Source:
    sd_notify(3)."""

    labels: tuple[tuple[str, str], ...] = field(default=(), converter=to_pairs)
    """Notes of the caller, a mapping; they never change what is done."""

    @staticmethod
    def from_image(image: FromImage, **wishes: Any) -> Config:  # noqa: ANN401
        """Return the configuration of a container that is made of an image.

        Args:
            image: one of `libcontainer.image`.
            wishes: fields of `Config`; each takes the place of what the image says.
        """
        return image.to_config(**wishes)


class FromImage(Protocol):
    """What `Config.from_image` takes: an image knows what becomes of it."""

    def to_config(self, **wishes: Any) -> Config:  # noqa: ANN401
        """Return its configuration."""
        ...
