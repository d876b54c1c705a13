# SPDX-License-Identifier: Apache-2.0
"""Changes of a mount or of a tree of mounts: what one mount_setattr(2) does."""

from __future__ import annotations

import struct

from attrs import evolve, frozen

from libcontainer.config import Mount, MountAttr
from libcontainer.plan.describe import attributes_text
from libcontainer.plan.record import NONE

MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20

ATTR_IDMAP = 0x00100000

# The access time is one field of three values, and changed as a whole.
_TIME_FIELD = 0x70
_TIMES = int(MountAttr.NOATIME | MountAttr.STRICTATIME)
_READ_ONLY = int(MountAttr.RDONLY)
_PROPAGATIONS = {1 << 17: "unbindable", MS_SLAVE: "slave", MS_SHARED: "shared"}


@frozen
class Change:
    """What one call changes.

    Attributes:
        attr_set: MOUNT_ATTR_* to set.
        attr_clr: MOUNT_ATTR_* to clear, before the others are set.
        propagation: MS_*, or 0 for no change.
        recursive: whether the mounts below are changed, too.
        user_namespace: slot of the user namespace whose maps the mount gets.
    """

    attr_set: int = 0
    attr_clr: int = 0
    propagation: int = 0
    recursive: bool = False
    user_namespace: int = NONE

    def __bool__(self) -> bool:
        return bool(self.attr_set or self.attr_clr or self.propagation)

    def pack(self) -> bytes:
        """Return it as ``struct mount_attr``, for a mount that is not id-mapped."""
        return struct.pack("=4Q", self.attr_set, self.attr_clr, self.propagation, 0)

    @property
    def text(self) -> str:
        """What is changed, as words."""
        words = [attributes_text(self.attr_set)]
        cleared = self.attr_clr & ~self.attr_set & ~_TIME_FIELD
        if cleared:
            words.append(f"without {attributes_text(cleared).removeprefix('rw, ')}")
        if self.propagation in _PROPAGATIONS:
            words.append(_PROPAGATIONS[self.propagation])
        if self.user_namespace != NONE:
            words.append("id-mapped")
        if self.recursive:
            words.append("recursive")
        return ", ".join(words)


def tree_text(changes: tuple[Change, ...], *, recursive: bool) -> str:
    """Return how a tree is cloned and changed, as words."""
    if not recursive:
        changes = tuple(evolve(made, recursive=False) for made in changes)
    text = "; ".join(made.text for made in changes) or "rw"
    return f"{text}, recursive" if recursive and "recursive" not in text else text


def change(
    wanted: int, cleared: int = 0, propagation: int = 0, *, recursive: bool = False
) -> Change:
    """Return the change of attributes, an access time as the kernel wants it."""
    field = _TIME_FIELD if (wanted | cleared) & _TIMES else 0
    rest = cleared & ~wanted & ~_TIME_FIELD
    return Change(wanted, rest | field, propagation, recursive)


def bind_changes(
    mount: Mount, user_namespace: int = NONE, *, late: bool = False
) -> tuple[Change, ...]:
    """Return what makes a clone of its source the mount that is wanted.

    Args:
        mount: a bind.
        user_namespace: slot of the namespace whose maps it gets, if any.
        late: whether the mount itself becomes read-only later.
    """
    own = (int(mount.attrs), int(mount.attrs_clear))
    tree = (int(mount.recursive_attrs), int(mount.recursive_attrs_clear))
    flag = mount.propagation.flag
    if late:
        taken = _READ_ONLY if mount.recursive and tree[0] & _READ_ONLY else 0
        own = (own[0] & ~_READ_ONLY, own[1] | taken)
    if not mount.recursive:
        wanted = own[0] | tree[0] & ~own[1] & ~(_READ_ONLY if late else 0)
        made = change(wanted, (own[1] | tree[1]) & ~wanted, flag)
        return (_mapped(made, user_namespace),)
    whole_tree = mount.propagation.is_recursive
    # What is said of the mount alone must not leave those below it peers of the
    # host's, where what the container mounts would show up.
    below = flag if whole_tree else 0 if flag == MS_SHARED else MS_SLAVE
    first = change(*tree, below, recursive=True)
    second = change(*own, 0 if whole_tree else flag)
    if user_namespace != NONE and mount.idmap is not None:
        if mount.idmap.recursive:
            first = _mapped(first, user_namespace)
        else:
            second = _mapped(second, user_namespace)
    return tuple(made for made in (first, second) if made)


def _mapped(made: Change, user_namespace: int) -> Change:
    if user_namespace == NONE:
        return made
    attr_set = made.attr_set | ATTR_IDMAP
    return Change(
        attr_set, made.attr_clr, made.propagation, made.recursive, user_namespace
    )


def own_attributes(mount: Mount) -> int:
    """Return the MOUNT_ATTR_* that the mount itself has in the end."""
    inherited = int(mount.recursive_attrs & ~mount.attrs_clear)
    return int(mount.attrs) | inherited
