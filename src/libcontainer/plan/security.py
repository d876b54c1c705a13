# SPDX-License-Identifier: Apache-2.0
"""AppArmor and SELinux: the label that the program runs under.

It is named to the kernel before execve(2), which then changes over to it. That is
written through the caller's own procfs, by an fd from outside: what an image has at
/proc is never asked (CVE-2019-16884).
"""

from __future__ import annotations

import os
import struct

from libcontainer.config import Config
from libcontainer.errors import UnsupportedError
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.facts import Facts, Security
from libcontainer.plan.record import NONE
from libcontainer.plan.settings import Settings
from libcontainer.plan.steps import OpenPath

APPARMOR = "self/attr/apparmor/exec"
SELINUX = "self/attr/exec"
STATUS = "self/status"
_SLOT = "caller's /proc"
_AT_FDCWD = -100
_OPEN_PROC = 0o10000000 | os.O_DIRECTORY | os.O_CLOEXEC  # O_PATH
_LABELLED = frozenset({"tmpfs", "devpts", "overlay"})


def require_labels(config: Config, settings: Settings, facts: Facts) -> None:
    """Raise `UnsupportedError` where the security module of a label is off."""
    security = facts.security or Security()
    if settings.apparmor_profile is not None and not security.apparmor:
        raise UnsupportedError(
            f"AppArmor profile {settings.apparmor_profile!r}",
            "a kernel with AppArmor enabled (apparmor=1 security=apparmor)",
        )
    for label in (settings.process_label, config.mount_label):
        if label is not None and not security.selinux:
            need = "a kernel with SELinux enabled and a policy loaded"
            raise UnsupportedError(f"SELinux label {label!r}", need)


def open_procfs(builder: Builder, settings: Settings, *, own: bool = False) -> None:
    """Add the step that opens the caller's procfs, where there is need for it.

    Labels are written there, and what the process has become is read there unless
    the container gets a procfs of its *own* from us.
    """
    if own and settings.apparmor_profile is None and settings.process_label is None:
        return
    builder.host(OpenPath(builder.slot(_SLOT, given=True), "/proc"))


def take_procfs(builder: Builder) -> None:
    """Add the operation by which the helper itself opens the caller's procfs.

    It is still where the caller is, before it joins anything.
    """
    how = struct.pack("=3Q", _OPEN_PROC, 0, 0)
    args = (_AT_FDCWD, b"/proc\0", how, len(how))
    slot = builder.slot(_SLOT)
    builder.init(ops.Call("openat2", args, "open the caller's '/proc'", result=slot))


def plan_labels(builder: Builder, settings: Settings, procfs: int = NONE) -> int:
    """Add the writes of the labels that execve(2) changes over to.

    The last use lets go of the caller's procfs: nothing of the host may be open in
    an init that waits at its gate.

    Args:
        builder: the plan in the making.
        settings: what the process gets.
        procfs: slot of the container's own procfs, or `NONE`.

    Returns:
        The slot of the process's own ``status``.
    """
    profile, label = settings.apparmor_profile, settings.process_label
    own = procfs != NONE
    if label is not None:
        last = own and profile is None
        slot = builder.slot_of(_SLOT)
        builder.init(ops.WriteProc(slot, SELINUX, label, last=last))
    if profile is not None:
        slot = builder.slot_of(_SLOT)
        builder.init(ops.WriteProc(slot, APPARMOR, f"exec {profile}", last=own))
    source = procfs if own else builder.slot_of(_SLOT)
    status = builder.slot("own status")
    builder.init(ops.OpenProc(source, STATUS, status, last=not own))
    return status


def context(config: Config, fstype: str) -> tuple[str, ...]:
    """Return the option of a new filesystem that labels all its files.

    procfs and sysfs keep the labels that the policy gives to each of their files; the
    kernel takes none for mqueue, whose filesystem comes with the ipc namespace.
    """
    if config.mount_label is None or fstype not in _LABELLED:
        return ()
    return (f"context={config.mount_label}",)
