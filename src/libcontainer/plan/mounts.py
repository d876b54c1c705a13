# SPDX-License-Identifier: Apache-2.0
"""The container's mounts: in the order of the configuration, each by fd."""

from __future__ import annotations

import posixpath

from libcontainer.config import DEFAULT_MASKED_PATHS, Config, Mount, MountAttr
from libcontainer.config.rules import is_within
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.devices import DevicePlanner
from libcontainer.plan.facts import Facts
from libcontainer.plan.namespaces import gid_mappings
from libcontainer.plan.record import NONE
from libcontainer.plan.security import context
from libcontainer.plan.sources import Sources

_MASK_ATTRIBUTES = (
    MountAttr.RDONLY | MountAttr.NOSUID | MountAttr.NODEV | MountAttr.NOEXEC
)
_MASK_OPTIONS = ("mode=0555", "nr_inodes=2", "size=4k")
_KERNELS_OWN = frozenset({"proc", "sysfs"})
_KERNEL_DIRECTORIES = frozenset({"/proc", "/sys", "/dev"})
_DEV = Mount(
    destination="/dev",
    type="tmpfs",
    source="tmpfs",
    attrs=MountAttr.NOSUID | MountAttr.STRICTATIME,
    data=("mode=755", "size=65536k"),
)
_NULL = (1, 3)
_TTY_GROUP = 5


class MountPlanner:
    """Adds the steps of the container's mounts and of its masked paths."""

    def __init__(self, builder: Builder, config: Config, facts: Facts) -> None:
        self._builder = builder
        self._config = config
        self._gids = gid_mappings(config, facts)
        self._devices = DevicePlanner(builder, config)
        self._mounts = _with_dev(config.base_mounts + config.mounts)
        self._binds: dict[int, int] = {}
        self._null = NONE
        # Filesystems whose names the kernel alone makes, by where they are.
        self._kernels_own: dict[str, int] = {}
        self.dev = NONE

    def open_sources(self, sources: Sources) -> None:
        """Open what is bound into the container."""
        for number, mount in enumerate(self._mounts):
            if mount.type == "bind":
                self._binds[number] = sources.tree(
                    mount.source or "",
                    attributes=int(mount.attrs),
                    propagation=mount.propagation.flag,
                    recursive=mount.recursive,
                )
        if _is_own_dev(self._mounts):
            self._devices.open_sources(sources)
        if self._config.masked_paths:
            self._null = sources.tree("/dev/null", device=_NULL)

    def attach_all(self) -> None:
        """Attach every mount, in order."""
        for number, mount in enumerate(self._mounts):
            if mount.type == "bind":
                self._attach_bind(mount, self._binds[number])
            elif mount.destination == "/dev" and mount.type == "tmpfs":
                self.dev = self._devices.make(mount)
            else:
                self._attach_fs(mount)

    def mask(self, throttled: tuple[str, ...]) -> None:
        """Hide the masked paths, protect the read-only ones.

        Args:
            throttled: what the default hides besides, as the host has it.
        """
        paths = self._config.masked_paths
        if paths == DEFAULT_MASKED_PATHS:
            paths += throttled
        if self._config.masked_paths:
            empty = self._builder.slot("empty")
            self._builder.init(
                ops.MakeFs(
                    empty, "tmpfs", _MASK_OPTIONS, int(_MASK_ATTRIBUTES), "masked paths"
                )
            )
            for path in paths:
                self._builder.init(
                    ops.Mask(path, empty, self._null, *self._base_of(path))
                )
        for path in self._config.readonly_paths:
            self._builder.init(ops.Readonly(path, *self._base_of(path)))

    def _base_of(self, path: str) -> tuple[int, str]:
        """Return slot and place of the kernel's own filesystem above *path*."""
        for place, slot in self._kernels_own.items():
            if path.startswith(f"{place}/"):
                return slot, place
        return NONE, ""

    def _attach_bind(self, mount: Mount, slot: int) -> None:
        source = repr(mount.source)
        self._attach(mount, slot, source, ops.MAKE_LIKE_SOURCE)

    def _attach_fs(self, mount: Mount) -> None:
        what = f"the {mount.type} filesystem"
        slot = self._builder.slot(mount.destination)
        options = self._options(mount)
        self._builder.init(
            ops.MakeFs(slot, mount.type, options, int(mount.attrs), mount.destination)
        )
        self._attach(mount, slot, what, ops.MAKE_DIRECTORY)

    def _options(self, mount: Mount) -> tuple[str, ...]:
        """Leave the tty group out where the user namespace does not have it."""
        mapped = not self._gids or any(
            m.container_id <= _TTY_GROUP < m.container_id + m.size for m in self._gids
        )
        options = mount.data
        if not mapped and mount.type == "devpts":
            options = tuple(word for word in options if word != f"gid={_TTY_GROUP}")
        return options + context(self._config, mount.type)

    def _attach(self, mount: Mount, slot: int, what: str, flags: int) -> None:
        path, base, base_path = mount.destination, NONE, ""
        if self.dev != NONE and path.startswith("/dev/"):
            # Our own tree: nothing of the image can be on the way.
            path, base, base_path = posixpath.relpath(path, "/dev"), self.dev, "/dev"
        if path in _KERNEL_DIRECTORIES:
            flags |= ops.REAL_DIRECTORY
        self._note(mount, slot)
        self._builder.init(
            ops.Attach(slot, path, what, base=base, flags=flags, base_path=base_path)
        )
        if path == "/dev":
            self.dev = NONE  # Covered: what comes below goes into the new one.

    def _note(self, mount: Mount, slot: int) -> None:
        """Keep a filesystem of the kernel's, forget those that are covered now."""
        path = mount.destination
        for place in [p for p in self._kernels_own if is_within(p, path)]:
            del self._kernels_own[place]
        if mount.type in _KERNELS_OWN:
            self._kernels_own[path] = slot


def _is_own_dev(mounts: tuple[Mount, ...]) -> bool:
    return any(m.destination == "/dev" and m.type == "tmpfs" for m in mounts)


def _with_dev(mounts: tuple[Mount, ...]) -> tuple[Mount, ...]:
    # An image's own /dev is never used: it could hold anything.
    if any(mount.destination == "/dev" for mount in mounts):
        return mounts
    return (_DEV, *mounts)
