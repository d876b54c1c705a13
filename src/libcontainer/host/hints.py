# SPDX-License-Identifier: Apache-2.0
"""One line of help where the kernel's errno misleads.

The table is keyed by the kind of step and the errno. A hint says what is
usually behind it and what to do, never what might be wrong in general.
"""

from __future__ import annotations

import errno
from typing import Any

from libcontainer.plan import ops
from libcontainer.plan.security import APPARMOR, SELINUX
from libcontainer.plan.steps import (
    MakeTree,
    MapIds,
    OpenFifo,
    OpenNamespace,
    OpenTree,
    SetClocks,
    Spawn,
)

_NO_USER_NAMESPACES = (
    "new user namespaces may be forbidden here: see the sysctls"
    " kernel.unprivileged_userns_clone, user.max_user_namespaces and"
    " kernel.apparmor_restrict_unprivileged_userns, or the seccomp profile of the"
    " container this runs in"
)
_LIMIT_OF_NAMESPACES = (
    "a limit on namespaces is reached: see /proc/sys/user/max_*_namespaces"
)
_LIMIT_OF_MOUNTS = "the mount namespace is full: see /proc/sys/fs/mount-max"
_NO_FILESYSTEM = (
    "the kernel does not have this filesystem: see /proc/filesystems, and modprobe(8)"
)

_NO_PROFILE = "no AppArmor profile of this name is loaded: see apparmor_parser(8)"
_HOST_RIGHTS = "it needs a capability that the caller does not hold on the host"
_SYSCTL = "/proc/sys"

# Of a plain call or a write to procfs, the key is what is called or written to; of a
# kernel parameter, _SYSCTL.
HINTS: dict[tuple[type[Any] | str, int], str] = {
    ("sched_setattr", errno.EPERM): (
        "it needs CAP_SYS_NICE on the host, or the caller's RLIMIT_NICE and"
        " RLIMIT_RTPRIO; in real time also a share of the cgroup's,"
        " resources.cpu_realtime_runtime; for deadlines every processor (process"
        " scheduler can't be used together with AllowedCPUs, resources.cpuset_cpus)"
    ),
    ("write", errno.EINVAL): (
        "a cgroup of version 1 takes no process that runs in real time unless it has a"
        " share of it, resources.cpu_realtime_runtime"
    ),
    (OpenFifo, errno.EINVAL): "it is not a fifo; mkfifo(1) makes one",
    ("sched_setattr", errno.EBUSY): (
        "there is not that much processor time left for deadlines"
    ),
    ("sched_setattr", errno.EOPNOTSUPP): "the kernel lacks utilization clamping",
    ("ioprio_set", errno.EPERM): "IOPRIO_CLASS_RT needs CAP_SYS_NICE on the host",
    ("sched_setaffinity", errno.EINVAL): (
        "none of the processors is there and of the cpuset"
    ),
    ("set_mempolicy", errno.EINVAL): (
        "a memory node is not there or not of the cpuset, or the kernel does not know"
        " the mode or a flag"
    ),
    ("set_mempolicy", errno.ENOSYS): "the kernel is built without CONFIG_NUMA",
    ("keyctl", errno.EDQUOT): (
        "the user has too many keys: see /proc/sys/kernel/keys/maxkeys, or set"
        " keyring=False"
    ),
    ("prctl", errno.EINVAL): (
        "the kernel does not know it: core scheduling needs Linux 5.14 with"
        " CONFIG_SCHED_CORE, merging pages Linux 6.4 with CONFIG_KSM"
    ),
    ("prctl", errno.ENODEV): "this machine has no simultaneous multithreading",
    ("prctl", errno.EPERM): _HOST_RIGHTS,
    (_SYSCTL, errno.ENOENT): (
        "the kernel has no such parameter, or not in a new namespace"
    ),
    (_SYSCTL, errno.EINVAL): "the kernel does not take this value",
    (_SYSCTL, errno.EACCES): _HOST_RIGHTS,
    (_SYSCTL, errno.EPERM): _HOST_RIGHTS,
    ("self/oom_score_adj", errno.EACCES): (
        "a lower score than the caller's needs CAP_SYS_RESOURCE on the host"
    ),
    (Spawn, errno.EPERM): "new namespaces need CAP_SYS_ADMIN",
    (Spawn, errno.ENOSPC): _LIMIT_OF_NAMESPACES,
    (ops.Clone, errno.EPERM): _NO_USER_NAMESPACES,
    (ops.Clone, errno.ENOSPC): _LIMIT_OF_NAMESPACES,
    (ops.Clone, errno.EINVAL): "the kernel lacks one of these namespaces",
    (ops.Attach, errno.ENOSPC): _LIMIT_OF_MOUNTS,
    (ops.Attach, errno.ELOOP): (
        "the path has a symlink where a real directory is needed"
    ),
    (ops.Attach, errno.EXDEV): (
        "a symlink of the image leads into /proc, where nothing may be mounted"
    ),
    (ops.Attach, errno.ENOTDIR): (
        "a directory can be mounted on a directory only, a file on a file only"
    ),
    (ops.CloneTree, errno.EINVAL): (
        "there are mounts beneath the directory, which an unprivileged caller can"
        " only bind together with it (recursive)"
    ),
    (ops.CloneTree, errno.ESTALE): "the path was replaced during the launch",
    (ops.Overlay, errno.EINVAL): (
        "a layer has mounts beneath it that may not be uncovered, or lies on a"
        " filesystem that overlayfs cannot use; before Linux 6.5 the names of upper"
        " and work have no comma; an unprivileged caller can use '/' as"
        " Overlay.host() only"
    ),
    (ops.Overlay, errno.ENOENT): (
        "upper and work must be there, and on one filesystem, without a mount between"
    ),
    (ops.MakeFs, errno.EPERM): (
        "in a user namespace proc and sysfs can be mounted only where an uncovered"
        " one is visible; a surrounding container hides parts of it"
    ),
    ("umount2", errno.EINVAL): (
        "nothing is mounted there, or it was locked when the user namespace was made"
    ),
    (ops.MakeFs, errno.ENODEV): _NO_FILESYSTEM,
    (MakeTree, errno.ENODEV): _NO_FILESYSTEM,
    (ops.MakeFs, errno.EINVAL): (
        "the filesystem does not know one of its options, or not its value"
    ),
    (ops.Pivot, errno.EINVAL): "the host's root is an initramfs, which cannot be left",
    (ops.SetRlimit, errno.EPERM): (
        "a hard limit can be raised with CAP_SYS_RESOURCE only"
    ),
    (ops.SetIdentity, errno.EINVAL): (
        "the user or group id is not mapped in the user namespace"
    ),
    (ops.SetIdentity, errno.EPERM): (
        "a capability was asked for that the caller does not hold itself"
    ),
    (ops.BecomeRoot, errno.EINVAL): "container id 0 is not mapped",
    (ops.Chdir, errno.ELOOP): "the path leads through a magic link of procfs",
    (ops.Setns, errno.EPERM): (
        "to join a namespace needs CAP_SYS_ADMIN in the user namespace that owns it"
    ),
    (ops.Setns, errno.EINVAL): (
        "one's own user namespace cannot be joined, nor a pid namespace that is not"
        " beneath one's own"
    ),
    (ops.Unshare, errno.EPERM): _NO_USER_NAMESPACES,
    (OpenNamespace, errno.EINVAL): "the file is no namespace, or one of another kind",
    (SetClocks, errno.ERANGE): (
        "a clock can be neither before 0 nor more than 146 years ahead"
    ),
    (MapIds, errno.EPERM): (
        "more than one's own id needs newuidmap and newgidmap and ranges in"
        " /etc/subuid and /etc/subgid"
    ),
    (APPARMOR, errno.ENOENT): _NO_PROFILE,
    (APPARMOR, errno.EACCES): "the caller's own profile does not allow the change",
    (APPARMOR, errno.EPERM): (
        "with no_new_privs a confined caller can change to a stack with its own"
        " profile only"
    ),
    (SELINUX, errno.EINVAL): "the loaded SELinux policy has no such label",
    (SELINUX, errno.EACCES): (
        "the SELinux policy does not let the caller set the label of its programs"
        " (setexec)"
    ),
    (ops.LandlockPath, errno.EINVAL): (
        "a file takes execute, write_file, read_file, truncate and ioctl_dev only"
    ),
    ("landlock_create_ruleset", errno.EOPNOTSUPP): (
        "Landlock is not among the kernel's security modules: lsm=landlock,..."
    ),
    ("landlock_restrict_self", errno.E2BIG): (
        "more than 16 Landlock rulesets on top of each other"
    ),
    (OpenTree, errno.EPERM): "opening mount trees needs CAP_SYS_ADMIN",
    (OpenTree, errno.EINVAL): (
        "if it is to be id-mapped, the filesystem must be able to, and none of its"
        " mounts be id-mapped already"
    ),
    (OpenTree, errno.ENOSYS): "mount_setattr(2) needs Linux 5.12",
}


def hint_for(action: object, number: int) -> str | None:
    """Return the hint for a step that failed with an errno, or None."""
    subject: type[Any] | str = type(action)
    if isinstance(action, ops.WriteProc):
        subject = _SYSCTL if action.path.startswith("sys/") else action.path
    elif isinstance(action, ops.Call):
        subject = action.call
    return HINTS.get((subject, number))
