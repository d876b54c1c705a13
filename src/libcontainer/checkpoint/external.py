# SPDX-License-Identifier: Apache-2.0
"""What of a container comes from outside, by its own configuration; pure.

CRIU cannot write down a mount of the host's filesystems, or a file that is open
there. It notes a key instead, and is told at the restore what the key stands for.
What a key of a mount stands for is found in the configuration alone.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Final

from attrs import frozen

from libcontainer.config import Config
from libcontainer.errors import CriuError
from libcontainer.plan.cgroupfs import folder_of, is_own
from libcontainer.plan.unified import UNIFIED

_OCTAL: Final = re.compile(r"\\([0-7]{3})")
# These are the container's own, or CRIU makes them anew: their contents are the
# kernel's.
_KERNEL_TYPES: Final = frozenset({"proc", "sysfs", "cgroup", "cgroup2", "mqueue"})
_PIPE: Final = re.compile(r"(pipe|socket):\[[0-9]+\]")


@frozen
class MountLine:
    """A line of ``/proc/PID/mountinfo``.

    Attributes:
        mount_id: number of the mount.
        device: ``major:minor`` of the filesystem.
        point: where it is, in that process's root.
        fstype: of the filesystem.
    """

    mount_id: int
    device: str
    point: str
    fstype: str


def parse_mountinfo(text: str) -> tuple[MountLine, ...]:
    """Return the mounts of a mountinfo text."""
    found = []
    for line in text.splitlines():
        fields, _, rest = line.partition(" - ")
        words = fields.split(" ")
        point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), words[4])
        fstype = rest.partition(" ")[0]
        found.append(MountLine(int(words[0]), words[2], point, fstype))
    return tuple(found)


def key_of(number: int) -> str:
    """Return the key of an external mount."""
    return f"libcontainer-{number}"


def external_mounts(
    config: Config,
    inside: tuple[MountLine, ...],
    host: tuple[MountLine, ...],
    cgroup: Mapping[str, str],
) -> tuple[str, ...]:
    """Return where mounts of the host's filesystems are in a container.

    Args:
        config: of the container.
        inside: mounts of its init process.
        host: mounts of the caller.
        cgroup: of the container, host paths by hierarchy.

    Raises:
        CriuError: there is one that the configuration does not explain.
    """
    devices = {line.device for line in host}
    bound = _cgroup_directories(config, cgroup)
    found = []
    for line in inside:
        ours = line.device not in devices or line.fstype in _KERNEL_TYPES
        if line.point == "/" or (ours and line.point not in bound):
            continue
        source_of(config, line.point, cgroup)
        found.append(line.point)
    return tuple(dict.fromkeys(found))


def source_of(config: Config, point: str, cgroup: Mapping[str, str]) -> str:
    """Return the host path of what the configuration mounts at *point*.

    Args:
        config: of the container.
        point: a path inside.
        cgroup: of the container, host paths by hierarchy.

    Raises:
        CriuError: it mounts nothing there, or not with a name CRIU takes.
    """
    # CRIU has keys and paths in one text, which such a name would end early.
    if "]" in point:
        raise CriuError("prepare", f"the mount {point!r} has a ']' in its name")
    nodes = {device.path: device.path for device in config.devices}
    known = {**nodes, **dict.fromkeys(config.masked_paths, "/dev/null")}
    known |= _cgroup_directories(config, cgroup)
    source = known.get(point) or _bound(config, point)
    if source is None:
        text = f"the mount {point!r} is of the host, and not in the configuration"
        raise CriuError("prepare", text)
    return source


def _cgroup_directories(config: Config, cgroup: Mapping[str, str]) -> dict[str, str]:
    """Return the directories of v1 that are bound where there is no own root."""
    if is_own(config) or UNIFIED in cgroup:
        return {}
    return {
        f"{posixpath.normpath(mount.destination)}/{folder_of(name)}": path
        for mount in (*config.base_mounts, *config.mounts)
        if mount.type == "cgroup"
        for name, path in cgroup.items()
    }


def _bound(config: Config, point: str) -> str | None:
    """Return what a bind mount, or a mount below its source, has at *point*."""
    found = None
    for destination, source, recursive in _binds(config):
        # The kernel shows the one that was made last.
        if point == destination:
            found = source
        elif recursive and found is None and point.startswith(f"{destination}/"):
            found = posixpath.join(source, posixpath.relpath(point, destination))
    return found


def _binds(config: Config) -> Iterator[tuple[str, str, bool]]:
    for mount in (*config.base_mounts, *config.mounts):
        if mount.type == "bind" and mount.source is not None:
            yield posixpath.normpath(mount.destination), mount.source, mount.recursive


def file_key(link: str, mount_id: int, inode: int, own: frozenset[int]) -> str | None:
    """Return the key of an open file that comes from outside, or None.

    Args:
        link: what ``/proc/PID/fd/N`` leads to.
        mount_id: of its mount.
        inode: its number.
        own: the mounts of the container.
    """
    if _PIPE.fullmatch(link):
        return link
    if not link.startswith("/") or mount_id in own:
        return None
    return f"file[{mount_id:x}:{inode:x}]"
