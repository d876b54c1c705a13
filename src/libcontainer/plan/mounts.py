# SPDX-License-Identifier: Apache-2.0
"""The container's mounts: in the order of the configuration, each by fd."""

from __future__ import annotations

import posixpath

from attrs import evolve

from libcontainer.config import Config, Mount, MountAttr
from libcontainer.config.mount_overlay import overlay_of
from libcontainer.config.rules import is_within
from libcontainer.errors import UnsupportedError
from libcontainer.plan import cgroupfs, ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.change import MS_PRIVATE, bind_changes, change, own_attributes
from libcontainer.plan.devices import DevicePlanner, node_name
from libcontainer.plan.facts import Facts
from libcontainer.plan.filesystems import (
    fs_options,
    is_host_made,
    remount_flags,
)
from libcontainer.plan.mountlist import below, is_own_dev, late_mounts, ordered_mounts
from libcontainer.plan.newmounts import is_plain
from libcontainer.plan.overlay import OverlayPlanner
from libcontainer.plan.record import NONE
from libcontainer.plan.rootfs import RootfsPlanner
from libcontainer.plan.sources import Sources
from libcontainer.plan.steps import CopyLink, CopyUp, OpenCgroup

_READ_ONLY = int(MountAttr.RDONLY)
_KERNELS_OWN = frozenset({"proc", "sysfs"})
_KERNEL_DIRECTORIES = frozenset({"/proc", "/sys", "/dev"})


class MountPlanner:
    """Adds the steps of the container's mounts."""

    def __init__(self, builder: Builder, config: Config, facts: Facts) -> None:
        self._builder = builder
        self._config = config
        self._facts = facts
        self._devices = DevicePlanner(builder, config, facts)
        self._mounts = ordered_mounts(config)
        self._links = _copied_links(self._mounts, facts)
        self._late = late_mounts(self._mounts) - set(self._links)
        self._trees: dict[int, int] = {}
        self._overlays: dict[int, OverlayPlanner] = {}
        self._cgroups: dict[int, dict[str, int]] = {}
        self.cgroup_trees: tuple[OpenCgroup, ...] = ()
        self._made: dict[int, int] = {}
        # Filesystems whose names the kernel alone makes, by where they are.
        self._kernels_own: dict[str, int] = {}
        self.dev = NONE
        self._inside = NONE
        self._names_in_dev = {node_name(d).partition("/")[0] for d in config.devices}

    def open_sources(self, sources: Sources) -> None:
        """Open what is bound into the container, or made of paths of the host."""
        made = (item for item in enumerate(self._mounts) if item[0] not in self._links)
        for number, mount in made:
            if mount.type == "bind":
                self._trees[number] = self._open_bind(sources, number, mount)
            elif mount.type == "cgroup" and not cgroupfs.is_own(self._config):
                self._open_cgroup(sources, number, mount)
            elif mount.type == "overlay":
                planner = self._overlay(number, mount)
                planner.open_sources(sources)
                self._overlays[number] = planner
            elif is_host_made(mount) or "tmpcopyup" in mount.extras:
                attributes = self._attributes(number, mount)
                options = fs_options(self._config, self._facts, mount)
                if attributes & _READ_ONLY and is_host_made(mount):
                    options = (*options, "ro")
                self._trees[number] = sources.filesystem(
                    mount.type, options, attributes
                )
        if any(is_own_dev(mount) for mount in self._mounts):
            self._devices.open_sources(sources)

    def prepare(self) -> None:
        """Make what needs the helper's first root: overlays, of their layers."""
        for number, planner in self._overlays.items():
            self._trees[number] = planner.make()

    def attach_all(self, rootfs: RootfsPlanner) -> None:
        """Attach every mount, in order."""
        for number, mount in enumerate(self._mounts):
            if number in self._links:
                self._copy_link(mount, self._links[number], rootfs)
                continue
            if is_own_dev(mount):
                attributes = MountAttr(self._attributes(number, mount))
                slot = self.dev = self._devices.make(evolve(mount, attrs=attributes))
            elif mount.type == "cgroup" and number not in self._trees:
                slot = self._attach_cgroups(mount, self._cgroups.get(number, {}))
            elif self._mount_new(number, mount):
                continue
            else:
                slot = self._tree(number, mount)
                if mount.destination == "/":
                    rootfs.replace(slot, self._what(mount))
                else:
                    if "tmpcopyup" in mount.extras:
                        self._copy_up(mount, slot, rootfs)
                    self._attach(mount, slot)
            self._made[number] = slot
            self._remount(mount, slot)

    @property
    def makes_procfs(self) -> bool:
        """Whether the container gets a new procfs."""
        return any(mount.type == "proc" for mount in self._mounts)

    @property
    def procfs(self) -> int:
        """Slot of a procfs of the container's own, once it is made, or `NONE`."""
        made = self._made.items()
        return next((s for n, s in made if self._mounts[n].type == "proc"), NONE)

    @property
    def makes_null(self) -> bool:
        """Whether the container's own /dev has a null device of ours."""
        own = [m for m in self._mounts if is_own_dev(m)]
        covered = any(is_within(m.destination, "/dev/null") for m in self._mounts)
        usable = not any(own_attributes(m) & MountAttr.NODEV for m in own)
        return bool(own) and usable and not covered and self._devices.makes_null

    @property
    def own_dev(self) -> int:
        """Slot of the /dev that we fill, once it is made, or `NONE`."""
        made = self._made.items()
        return next((s for n, s in made if is_own_dev(self._mounts[n])), NONE)

    def base_of(self, path: str) -> tuple[int, str]:
        """Return slot and place of the kernel's own filesystem above *path*."""
        for place, slot in self._kernels_own.items():
            if path.startswith(f"{place}/"):
                return slot, place
        return NONE, ""

    def finish(self) -> None:
        """Make read-only what could not be while something was made in it."""
        for number in sorted(self._late):
            mount = self._mounts[number]
            self._builder.init(
                ops.SetAttributes(
                    self._made[number], change(_READ_ONLY), repr(mount.destination)
                )
            )

    def _open_bind(self, sources: Sources, number: int, mount: Mount) -> int:
        namespace = sources.user_namespace(mount.idmap)
        return sources.tree(
            mount.source or "",
            bind_changes(mount, namespace, late=number in self._late),
            recursive=mount.recursive,
            nofollow="src-nofollow" in mount.extras,
        )

    def _open_cgroup(self, sources: Sources, number: int, mount: Mount) -> None:
        if not cgroupfs.may_bind_own(self._facts):
            self._trees[number] = cgroupfs.open_host(
                sources, self._config, self._facts, mount
            )
            return
        slots, trees = cgroupfs.own_trees(self._builder, self._facts, mount)
        self._cgroups[number] = slots
        self.cgroup_trees += trees

    def _overlay(self, number: int, mount: Mount) -> OverlayPlanner:
        overlay, options = overlay_of(mount)
        if mount.source:
            options = (*options, f"source={mount.source}")
        attributes = self._attributes(number, mount)
        if overlay.upper is None:
            attributes |= _READ_ONLY  # as the kernel's is without an upper directory
        return OverlayPlanner(
            self._builder,
            self._config,
            overlay,
            mount.destination,
            options,
            attributes,
        )

    def _attributes(self, number: int, mount: Mount) -> int:
        late = _READ_ONLY if number in self._late else 0
        return own_attributes(mount) & ~late

    def _tree(self, number: int, mount: Mount) -> int:
        """Return the slot of a mount's tree, made where it is not there yet."""
        if mount.type == "bind":
            return self._trees[number]
        slot = self._trees.get(number, NONE)
        if slot == NONE:
            slot = self._builder.slot(mount.destination)
            options = fs_options(self._config, self._facts, mount)
            attributes = self._attributes(number, mount)
            path = mount.destination
            mode_of = path if "keep-mode" in mount.extras else None
            self._builder.init(
                ops.MakeFs(slot, mount.type, options, attributes, path, mode_of)
            )
        if mount.propagation.flag != MS_PRIVATE:
            made = change(0, 0, mount.propagation.flag)
            self._builder.init(ops.SetAttributes(slot, made, repr(mount.destination)))
        return slot

    def _mount_new(self, number: int, mount: Mount) -> bool:
        """Mount it right in our /dev, where one call does that; tell whether it did."""
        name = mount.destination.removeprefix("/dev/")
        options = fs_options(self._config, self._facts, mount)
        is_new = number not in self._trees and name not in self._names_in_dev
        if self.dev == NONE or not is_new or not is_plain(mount, options):
            return False
        self._names_in_dev.add(name)
        self._enter(self.dev, "the container's /dev")
        source = mount.source or "libcontainer"
        data = ",".join(o for o in options if not o.startswith("source="))
        self._builder.init(
            ops.MountNew(
                name, mount.type, source, own_attributes(mount), data, mount.destination
            )
        )
        return True

    def _enter(self, slot: int, what: str) -> None:
        """Make a tree the working directory of the helper, unless it is already."""
        if self._inside != slot:
            self._inside = slot
            enter = ops.Call("fchdir", (ops.SlotRef(slot),), f"enter {what}")
            self._builder.init(enter)

    def _copy_link(self, mount: Mount, target: str, rootfs: RootfsPlanner) -> None:
        # As for a copy: the host finds the container's root where the helper is.
        self._enter(rootfs.slot, "the rootfs")
        self._builder.host(CopyLink(target, mount.destination))

    def _copy_up(self, mount: Mount, slot: int, rootfs: RootfsPlanner) -> None:
        # The host finds the container's root where the helper is.
        self._enter(rootfs.slot, "the rootfs")
        self._builder.host(CopyUp(slot, mount.destination))

    def _attach_cgroups(self, mount: Mount, trees: dict[str, int]) -> int:
        planner = cgroupfs.CgroupMount(self._builder, self._facts, mount, trees)
        slot = planner.make()
        self._attach(mount, slot)
        planner.fill(slot)
        return slot

    def _attach(self, mount: Mount, slot: int) -> None:
        is_bind = mount.type == "bind"
        flags = ops.MAKE_LIKE_SOURCE if is_bind else ops.MAKE_DIRECTORY
        path, base, base_path = mount.destination, NONE, ""
        if self.dev != NONE and below(path, "/dev"):
            # Our own tree: nothing of the image can be on the way.
            path, base, base_path = posixpath.relpath(path, "/dev"), self.dev, "/dev"
        if path in _KERNEL_DIRECTORIES:
            flags |= ops.REAL_DIRECTORY
        if "dest-nofollow" in mount.extras:
            flags |= ops.NO_FOLLOW
        what = self._what(mount)
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

    def _what(self, mount: Mount) -> str:
        if mount.type == "bind":
            return repr(mount.source)
        return f"the {mount.type} filesystem"

    def _remount(self, mount: Mount, slot: int) -> None:
        """Set what only mount(2) can set of a superblock."""
        flags = remount_flags(mount)
        if flags == 0:
            return
        path = mount.destination
        remount = ops.Call("mount", (0, b".\0", 0, flags), f"set iversion on {path!r}")
        self._enter(slot, repr(path))
        self._builder.init(remount)
        # A remount sets the attributes of the mount, too.
        made = change(own_attributes(mount))
        self._builder.init(ops.SetAttributes(slot, made, repr(path)))


def _copied_links(mounts: tuple[Mount, ...], facts: Facts) -> dict[int, str]:
    """Return the mounts that are made as symlinks, each with where it leads."""
    links = dict(facts.links)
    found = {
        number: links[mount.source or ""]
        for number, mount in enumerate(mounts)
        if "copy-symlink" in mount.extras and mount.source in links
    }
    if found and not facts.privileged:
        raise UnsupportedError(
            "copy-symlink of a symlink", "a caller with CAP_SYS_ADMIN"
        )
    return found
