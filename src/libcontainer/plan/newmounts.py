# SPDX-License-Identifier: Apache-2.0
"""What is mounted right in the /dev that we make, by one mount(2) each.

Every launch has three of them. As their directory is ours alone it takes no fd to be
safe: a name in it leads nowhere else.
"""

from __future__ import annotations

from typing import Final

from libcontainer.config import Mount
from libcontainer.plan import ops
from libcontainer.plan.change import MS_PRIVATE, own_attributes
from libcontainer.plan.filesystems import remount_flags

_TYPES: Final = frozenset({"devpts", "mqueue", "tmpfs"})


def is_plain(mount: Mount, options: tuple[str, ...]) -> bool:
    """Tell whether one mount(2) makes all of a mount right beneath /dev.

    Not one that is read-only, which would make the filesystem so, too; nor one with
    an option that has a comma in it.
    """
    name = mount.destination.removeprefix("/dev/")
    known = sum(ops.MOUNT_FLAGS)
    return (
        mount.type in _TYPES
        and name != mount.destination
        and "/" not in name
        and not mount.extras
        and mount.idmap is None
        and mount.propagation.flag == MS_PRIVATE
        and remount_flags(mount) == 0
        and not own_attributes(mount) & ~known
        and not any("," in option for option in options)
    )
