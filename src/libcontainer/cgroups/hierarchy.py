# SPDX-License-Identifier: Apache-2.0
"""What cgroup hierarchies there are, and where the caller is in them."""

from __future__ import annotations

import enum
import os
from collections.abc import Iterable, Mapping

from attrs import frozen

from libcontainer.plan.unified import UNIFIED

# Of v1 alone, or of no consequence: some programs mount them beside all of v2.
_ALONE = frozenset({"net_cls", "net_prio", "perf_event"})
_FIELDS = 6  # of a line of mountinfo, at the least, before those of the kind of mount


class CgroupMode(enum.StrEnum):
    """How the machine has its hierarchies mounted, told by their file systems."""

    UNIFIED = "unified"
    """Cgroup v2 alone."""
    LEGACY = "legacy"
    """Cgroup v1 alone."""
    HYBRID = "hybrid"
    """Cgroup v1 controllers, with cgroup v2 beside them. Those that v2 has none of,
    such as net_cls, do not count: then v2 is what limits."""
    NONE = "none"
    """No cgroup file system is mounted."""


@frozen
class Hierarchy:
    """One mounted hierarchy.

    Attributes:
        name: its v1 controllers joined by commas, ``name=...``, or `UNIFIED`.
        mount_point: where it is mounted, a host path.
        own: path of the caller's cgroup below the mount point, from ``/``.
    """

    name: str
    mount_point: str
    own: str


@frozen
class Hierarchies:
    """All hierarchies of the machine.

    Attributes:
        v1: the v1 hierarchies, in the order of their mounts.
        unified: the v2 hierarchy, or None.
    """

    v1: tuple[Hierarchy, ...]
    unified: Hierarchy | None

    @property
    def mode(self) -> CgroupMode:
        """Which of them there are."""
        controllers = [h for h in self.v1 if not h.name.startswith("name=")]
        if self.unified is None:
            return CgroupMode.LEGACY if controllers else CgroupMode.NONE
        limiting = [h for h in controllers if not _ALONE.issuperset(h.name.split(","))]
        return CgroupMode.HYBRID if limiting else CgroupMode.UNIFIED


def read_hierarchies() -> Hierarchies:
    """Return the hierarchies of the calling process.

    Raises:
        OSError: /proc cannot be read.
    """
    with open("/proc/self/mountinfo", "rb") as file:
        mounts = os.fsdecode(file.read())
    with open("/proc/self/cgroup", "rb") as file:
        return parse(mounts, os.fsdecode(file.read()))


def parse(mountinfo: str, own: str) -> Hierarchies:
    """Return the hierarchies of the texts of mountinfo and ``/proc/self/cgroup``."""
    # Not splitlines(), to which more than a newline ends a line: names have the rest.
    paths = dict(_own_paths(own.split("\n")))
    v1: dict[str, Hierarchy] = {}
    unified = None
    for line in mountinfo.split("\n"):
        fields, _, rest = line.partition(" - ")
        kind, _, options = _file_system(rest)
        if kind == "cgroup2":
            found = _hierarchy(UNIFIED, fields, paths)
            unified = found or unified
        elif kind == "cgroup":
            name = _v1_name(options, paths)
            hierarchy = _hierarchy(name, fields, paths) if name else None
            if hierarchy is not None:
                v1[name] = hierarchy
    return Hierarchies(tuple(v1.values()), unified)


def _file_system(rest: str) -> tuple[str, str, str]:
    words = [*rest.split(" "), "", "", ""]
    return words[0], words[1], words[2]


def _own_paths(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:
        fields = line.split(":", 2)
        if len(fields) == 3:
            yield fields[1], fields[2]


def _v1_name(options: str, paths: Mapping[str, str]) -> str:
    """Return the controllers of a v1 mount in the kernel's own order."""
    words = set(options.split(","))
    for controllers in paths:
        if controllers and words.issuperset(controllers.split(",")):
            return controllers
    return ""


def _hierarchy(name: str, fields: str, paths: Mapping[str, str]) -> Hierarchy | None:
    words = fields.split(" ")
    if len(words) < _FIELDS:
        return None
    root, mount_point = _unescape(words[3]), _unescape(words[4])
    own = paths.get(name)
    if own is None:
        return None
    # A mount of a part of the hierarchy shows what is below its root only.
    if root != "/":
        if own != root and not own.startswith(f"{root}/"):
            return None
        own = own.removeprefix(root) or "/"
    return Hierarchy(name, mount_point, own)


def _unescape(text: str) -> str:
    for escaped, plain in (
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ):
        text = text.replace(escaped, plain)
    return text
