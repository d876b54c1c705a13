# SPDX-License-Identifier: Apache-2.0
"""Mounts and devices of a 1.2.0 ``container.json``."""

from __future__ import annotations

from typing import Final

from libcontainer.config.container_reader import Reader
from libcontainer.config.devices import Device
from libcontainer.config.mounts import Mount, MountAttr, filesystem
from libcontainer.config.report import show
from libcontainer.config.rules import (
    absolute_path,
    components,
    device_path,
    mount_destination,
)

KERNEL_FILES: Final = (
    "/proc/sys",
    "/proc/sysrq-trigger",
    "/proc/irq",
    "/proc/bus",
)
"""What ``restrict_sys`` makes read-only."""

_HARDENED: Final = MountAttr.NOSUID | MountAttr.NODEV | MountAttr.NOEXEC
_MAX_MODE: Final = 0o777
_MAX_MAJOR: Final = 2**12 - 1
_MAX_MINOR: Final = 2**20 - 1


def base_mounts(*, read_only_sys: bool) -> tuple[Mount, ...]:
    """Return the mounts that 1.2.0 always made, in its order."""
    sys_attrs = _HARDENED | (MountAttr.RDONLY if read_only_sys else MountAttr(0))
    dev_attrs = MountAttr.NOSUID | MountAttr.STRICTATIME
    pts_attrs = MountAttr.NOSUID | MountAttr.NOEXEC
    pts_data = ("newinstance", "ptmxmode=0666", "mode=620", "gid=5")
    shm_data = ("mode=1777", "size=65536k")
    return (
        filesystem("proc", "/proc", _HARDENED),
        filesystem("tmpfs", "/dev", dev_attrs, ("mode=755",)),
        filesystem("tmpfs", "/dev/shm", _HARDENED, shm_data),
        filesystem("devpts", "/dev/pts", pts_attrs, pts_data),
        filesystem("sysfs", "/sys", sys_attrs),
    )


def read_bind_mounts(mount_config: Reader) -> list[Mount]:
    """Return the bind mounts; 1.2.0 ignored every other type."""
    mounts = []
    for entry in mount_config.children("mounts"):
        kind = entry.text("type")
        if kind == "bind":
            mounts.append(_bind_mount(entry))
        else:
            entry.warn("type", f"ignored: only 'bind' has an effect, not {show(kind)}")
    return mounts


def read_devices(owner: Reader, key: str) -> list[Device]:
    """Return the device nodes to make."""
    seen: dict[str, str] = {}
    devices = []
    for entry in owner.children(key):
        device = _device(entry)
        if device.path in seen:
            entry.refuse("path", f"is the path of {seen[device.path]} already")
        seen[device.path] = entry.path("")
        devices.append(device)
    return devices


def _bind_mount(entry: Reader) -> Mount:
    source, destination = entry.text("source"), entry.text("destination")
    absolute_path(entry.report, entry.path("source"), source)
    # Joined to the rootfs in 1.2.0, so a relative path was the same.
    destination = f"/{destination}"
    at = entry.path("destination")
    if components(destination):
        mount_destination(entry.report, at, destination, "bind")
    else:
        entry.refuse("destination", "must not be '/'")
    if entry.text("relabel"):
        entry.refuse("relabel", "is not supported by this release")
    # Every mount is private here, so there is nothing to choose.
    entry.boolean("private")
    read_only = not entry.boolean("writable")
    return Mount.bind(source, destination, read_only=read_only)


def _device(entry: Reader) -> Device:
    path = entry.text("path")
    device_path(entry.report, entry.path("path"), path)
    entry.text("cgroup_permissions")
    return Device(
        path=path,
        type=_device_type(entry),
        major=entry.integer("major_number", high=_MAX_MAJOR),
        minor=entry.integer("minor_number", high=_MAX_MINOR),
        mode=entry.integer("file_mode", high=_MAX_MODE),
    )


def _device_type(entry: Reader) -> str:
    # The old code wrote the letter as its number.
    value = entry.get("type")
    for letter in ("c", "b"):
        if value == letter or (type(value) is int and value == ord(letter)):
            return letter
    entry.refuse("type", f"must be 99 ('c') or 98 ('b'), not {show(value)}")
    return "c"
