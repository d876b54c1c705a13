# SPDX-License-Identifier: Apache-2.0
"""Which mounts are made, and in which order."""

from __future__ import annotations

from attrs import evolve

from libcontainer.config import Config, Mount, MountAttr
from libcontainer.plan.change import own_attributes

_DEV = Mount(
    destination="/dev",
    type="tmpfs",
    source="tmpfs",
    attrs=MountAttr.NOSUID | MountAttr.STRICTATIME,
    data=("mode=755", "size=65536k"),
)


def ordered_mounts(config: Config) -> tuple[Mount, ...]:
    """Return the mounts to make, in order.

    One on ``/`` comes first, as it is the root of all others; a remount is part of
    what it changes.
    """
    mounts: list[Mount] = []
    places: dict[str, int] = {}
    for mount in config.base_mounts + config.mounts:
        if "remount" in mount.extras:
            place = places[mount.destination]
            mounts[place] = _remounted(mounts[place], mount)
            continue
        places[mount.destination] = len(mounts)
        mounts.append(mount)
    # An image's own /dev is never used: it could hold anything.
    if "/dev" not in places:
        mounts.insert(0, _DEV)
    mounts.sort(key=lambda mount: mount.destination != "/")
    return tuple(mounts)


def below(path: str, folder: str) -> bool:
    """Tell whether a path lies beneath a folder, both in their shortest form."""
    return path != folder and path.startswith(folder.rstrip("/") + "/")


def is_own_dev(mount: Mount) -> bool:
    """Tell whether a mount is the /dev that we fill."""
    return mount.destination == "/dev" and mount.type == "tmpfs"


def late_mounts(mounts: tuple[Mount, ...]) -> frozenset[int]:
    """Return the numbers of read-only mounts in which something is yet to be made."""
    late = set()
    for number, mount in enumerate(mounts):
        if not own_attributes(mount) & MountAttr.RDONLY or mount.type == "cgroup":
            continue
        later = mounts[number + 1 :]
        fills = is_own_dev(mount) or "tmpcopyup" in mount.extras
        if fills or any(below(other.destination, mount.destination) for other in later):
            late.add(number)
    return frozenset(late)


def _remounted(mount: Mount, new: Mount) -> Mount:
    """Return a mount with the attributes and options of its remount."""
    keys = {option.partition("=")[0] for option in new.data}
    kept = [word for word in mount.data if word.partition("=")[0] not in keys]
    tree_set, tree_clear = new.recursive_attrs, new.recursive_attrs_clear
    own_set, own_clear = new.attrs | tree_set, new.attrs_clear | tree_clear
    return evolve(
        mount,
        attrs=mount.attrs & ~own_clear | new.attrs,
        attrs_clear=mount.attrs_clear & ~own_set | new.attrs_clear,
        recursive_attrs=mount.recursive_attrs & ~tree_clear | tree_set,
        recursive_attrs_clear=mount.recursive_attrs_clear & ~tree_set | tree_clear,
        data=(*kept, *new.data),
    )
