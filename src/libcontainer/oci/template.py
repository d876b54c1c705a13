# SPDX-License-Identifier: Apache-2.0
"""A configuration to begin with: what ``libcontainer spec`` writes."""

from __future__ import annotations

from typing import Any, Final

from libcontainer.config import DEFAULT_MASKED_PATHS, DEFAULT_READONLY_PATHS
from libcontainer.state import OCI_VERSION

_CAPABILITIES: Final = ("CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE")
_GUARDED: Final = ("nosuid", "noexec", "nodev")
_NAMESPACES: Final = ("pid", "network", "ipc", "uts", "mount")


def template(
    *, rootless: bool, uid: int, gid: int, unified: bool = True
) -> dict[str, Any]:
    """Return a configuration of a shell in ``rootfs``.

    Args:
        rootless: whether an ordinary user is to run it.
        uid: of that user.
        gid: of that user.
        unified: whether cgroups are those of v2 alone, which get a namespace.
    """
    kinds = list(_NAMESPACES)
    if rootless:
        kinds.append("user")
    if unified:
        kinds.append("cgroup")
    if rootless:
        kinds.remove("network")
    linux: dict[str, Any] = {
        "namespaces": [{"type": kind} for kind in kinds],
        "maskedPaths": list(DEFAULT_MASKED_PATHS),
        "readonlyPaths": list(DEFAULT_READONLY_PATHS),
    }
    if rootless:
        linux["uidMappings"] = [{"containerID": 0, "hostID": uid, "size": 1}]
        linux["gidMappings"] = [{"containerID": 0, "hostID": gid, "size": 1}]
    else:
        deny = {"allow": False, "access": "rwm"}
        linux["resources"] = {"devices": [deny]}
    return {
        "ociVersion": OCI_VERSION,
        "process": _process(),
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "libcontainer",
        "mounts": _mounts(rootless=rootless),
        "linux": linux,
    }


def _process() -> dict[str, Any]:
    sets = ("bounding", "effective", "permitted")
    return {
        "terminal": True,
        "user": {"uid": 0, "gid": 0},
        "args": ["sh"],
        "env": [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "TERM=xterm",
        ],
        "cwd": "/",
        "capabilities": {name: list(_CAPABILITIES) for name in sets},
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
        "noNewPrivileges": True,
    }


def _mount(destination: str, kind: str, *options: str, source: str) -> dict[str, Any]:
    return {
        "destination": destination,
        "type": kind,
        "source": source,
        "options": list(options),
    }


def _mounts(*, rootless: bool) -> list[dict[str, Any]]:
    pts = ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620")
    own_tty = () if rootless else ("gid=5",)
    sys = _mount("/sys", "sysfs", *_GUARDED, "ro", source="sysfs")
    if rootless:
        # A sysfs needs a network namespace of one's own.
        sys = _mount("/sys", "none", "rbind", *_GUARDED, "ro", source="/sys")
    shm = ("mode=1777", "size=65536k")
    dev = ("nosuid", "strictatime", "mode=755", "size=65536k")
    return [
        _mount("/proc", "proc", source="proc"),
        _mount("/dev", "tmpfs", *dev, source="tmpfs"),
        _mount("/dev/pts", "devpts", *pts, *own_tty, source="devpts"),
        _mount("/dev/shm", "tmpfs", *_GUARDED, *shm, source="shm"),
        _mount("/dev/mqueue", "mqueue", *_GUARDED, source="mqueue"),
        sys,
        _mount(
            "/sys/fs/cgroup", "cgroup", *_GUARDED, "relatime", "ro", source="cgroup"
        ),
    ]
