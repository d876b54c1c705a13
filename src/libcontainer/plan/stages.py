# SPDX-License-Identifier: Apache-2.0
"""The order of a launch, and why each stage stands where it does.

This is the table of contents: the compilers of `libcontainer.plan.create` and
`libcontainer.plan.join` add their steps stage by stage, in this order.
"""

from __future__ import annotations

STAGES: dict[str, str] = {
    "sources": (
        "every host path is opened before the image is visible, and travels as an fd"
    ),
    "cgroup": (
        "the limits are written before anything can use what they limit, and after"
        " the sources, which fail more often"
    ),
    "spawn": "the helper starts; no line of Python runs between here and execve",
    "limits": (
        "a v1 cgroup is made while the helper makes the namespaces; nothing of the"
        " container is there before the helper is in it"
    ),
    "monitor": (
        "who outlives the caller splits off before all else: it stays outside, and"
        " gets nothing of what is meant for the container"
    ),
    "resources": (
        "queues, keys and memory need the caller's rights over the host, before a"
        " user namespace takes them away; the children inherit them"
    ),
    "namespaces": (
        "the user namespace comes with or before the others, so that it owns them;"
        " the pid namespace counts for children only, so it comes last"
    ),
    "maps": "ids are mapped from outside, before anything is made that has an owner",
    "rdt": (
        "its share of caches and memory bandwidth holds before anything of the image"
        " is read"
    ),
    "network": (
        "links come before kernel parameters that name them, and before the network"
        " can be used by anything of the image"
    ),
    "mounts": (
        "the tree is built while host mounts can still be cloned, and proc and sysfs"
        " are mounted while a full one is visible"
    ),
    "sysctl": (
        "kernel parameters need the namespaces they belong to, and come before"
        " /proc/sys is made read-only"
    ),
    "masks": "paths are hidden after everything is mounted, so nothing uncovers them",
    "hooks": (
        "everything is mounted, and the host's files are still there for them to use"
    ),
    "rootfs": "the old root goes once nothing of it is needed any more",
    "machine": "names and the loopback interface need the namespaces, not the mounts",
    "terminal": (
        "the terminal is made in the container's own devpts, before the caller's"
        " privileges go"
    ),
    "readonly": (
        "a read-only mount in which others were made, or the terminal, is protected"
        " once nothing more is to be made, by whoever still may"
    ),
    "identity": (
        "limits, no_new_privs and the user come after the last privileged call"
    ),
    "commit": (
        "the program is found and the state saved before the container may outlive"
        " its caller"
    ),
    "program": "the gate opens, and the program takes the helper's place",
}
