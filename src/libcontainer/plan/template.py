# SPDX-License-Identifier: Apache-2.0
"""The plan of the template mount namespace.

A throw-away process makes a mount namespace that holds one empty, read-only
tmpfs, with a full proc and sysfs on it: the kernel lets a new user namespace
mount its own only where such are visible. A directory of it hides what is masked.
Launches begin there, so neither the
host's mounts nor their number matter to them.
"""

from __future__ import annotations

from attrs import frozen

from libcontainer.config import MountAttr
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.change import MS_PRIVATE, change
from libcontainer.plan.steps import Plan, Spawn

EMPTY = "empty"
"""The directory of the template that masked ones are hidden by."""

_OPTIONS = ("mode=0755", "nr_inodes=8", "size=4k")
_ATTRIBUTES = int(MountAttr.NOSUID | MountAttr.NODEV | MountAttr.NOEXEC)


@frozen
class KeepMountNamespace:
    """Open the mount namespace of the process that is being launched."""

    @property
    def title(self) -> str:
        """What the step does."""
        return "keep the mount namespace"


def compile_template() -> Plan:
    """Return the plan that makes the template mount namespace."""
    builder = Builder()
    builder.stage("spawn")
    builder.host(Spawn(ops.CLONE_NEWNS))
    builder.stage("namespaces")
    builder.init(ops.SetPropagation(MS_PRIVATE))
    builder.stage("mounts")
    root = builder.slot("root")
    builder.init(ops.MakeFs(root, "tmpfs", _OPTIONS, _ATTRIBUTES))
    for name in ("proc", "sys"):
        builder.init(ops.Mkdir(root, name))
    builder.init(ops.Mkdir(root, EMPTY, 0o555))
    builder.init(ops.Root(root, "an empty tmpfs"))
    for name, fstype in (("proc", "proc"), ("sys", "sysfs")):
        slot = builder.slot(name)
        builder.init(ops.MakeFs(slot, fstype, (), _ATTRIBUTES))
        builder.init(ops.Attach(slot, f"/{name}", fstype))
    builder.stage("rootfs")
    builder.init(ops.Pivot())
    builder.init(ops.SetAttributes(root, change(int(MountAttr.RDONLY)), "the template"))
    builder.stage("commit")
    builder.host(KeepMountNamespace())
    return builder.build()
