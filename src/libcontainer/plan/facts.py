# SPDX-License-Identifier: Apache-2.0
"""What the compiler has to know of the host and of the container's files."""

from __future__ import annotations

from attrs import frozen

from libcontainer.config import IdMapping


@frozen(kw_only=True)
class UserMaps:
    """What a user namespace that is there already allows.

    Attributes:
        uids: its user ids, as the caller sees them.
        gids: its group ids, as the caller sees them.
        setgroups: whether setgroups(2) is allowed in it.
    """

    uids: tuple[IdMapping, ...]
    gids: tuple[IdMapping, ...]
    setgroups: bool


@frozen
class RootEntry:
    """What has a name in the host's ``/``.

    Attributes:
        name: its name.
        kind: ``layer``: a directory that can be a layer of an overlay; ``bind``:
            one that cannot; ``scratch``: one that anybody writes to; ``empty``:
            one whose content means nothing in a container; ``link``: a symlink.
        target: where a symlink leads.
    """

    name: str
    kind: str
    target: str = ""


@frozen(kw_only=True)
class Security:
    """What the kernel's security modules offer.

    Attributes:
        apparmor: whether AppArmor is enabled.
        selinux: whether SELinux is enabled and has a policy.
        landlock_abi: ABI of Landlock, 0 if there is none.
    """

    apparmor: bool = False
    selinux: bool = False
    landlock_abi: int = 0


@frozen(kw_only=True)
class Facts:
    """A frozen snapshot of the host, read once by `libcontainer.host.probe`.

    Attributes:
        euid: effective user id of the caller.
        egid: effective group id of the caller.
        privileged: whether the caller holds CAP_SYS_ADMIN, so that it may
            open mount trees and make namespaces without a user namespace.
        nodes: whether mknod(2) makes device nodes: the kernel refuses that in every
            user namespace but the first.
        template: whether launches start from a kept template mount namespace.
        cgroups: the hierarchies in which the container has a cgroup: v1
            controllers joined by commas, or an empty name for v2.
        enters_by_unit: whether the caller may not put a process into the v2 one
            itself, but systemd may.
        hierarchies: those that the host has mounted, by the same names; only where
            the configuration has a mount of type ``cgroup``.
        throttled: what sysfs tells of the throttling of processors, where the host
            has that: paths as in the container.
        security: what the kernel's security modules offer; None unless a launch
            asks for something of them.
        joined_user: of the user namespace that the container joins, or None.
        revealing: mount points of proc and sysfs, as file names; only where the root
            is entered by chroot(2), which leaves them where they are.
        host_root: what is in ``/``, where it cannot be taken as one layer.
        links: sources of mounts with ``copy-symlink`` that are symlinks, each with
            where it leads.
        keyrings: whether the kernel lets this process, and so its children,
            have keyrings at all.
        machine: the processor, as uname(2) tells it.
        kernel: the first two numbers of the kernel's version.
    """

    euid: int
    egid: int
    privileged: bool
    template: bool
    cgroups: tuple[str, ...] = ()
    enters_by_unit: bool = False
    hierarchies: tuple[str, ...] = ()
    throttled: tuple[str, ...] = ()
    security: Security | None = None
    joined_user: UserMaps | None = None
    revealing: tuple[bytes, ...] = ()
    host_root: tuple[RootEntry, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    keyrings: bool = True
    nodes: bool = True
    machine: str = ""
    kernel: tuple[int, int] = (0, 0)


@frozen(kw_only=True)
class Identity:
    """Who a process is, as numbers, seen from the container.

    Attributes:
        uid: user id in the container.
        gid: primary group id in the container.
        groups: supplementary group ids in the container, in order.
        home: home directory, a container path.
    """

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
