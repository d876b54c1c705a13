# SPDX-License-Identifier: Apache-2.0
"""Where a restore happens: a mount namespace with the root filesystem in it.

CRIU wants the root it restores to be a mount. On the host such a mount would stay
when something crashes; so a thread that is made for it leaves the host's mount
namespace, attaches the root there and starts CRIU. The namespace goes with CRIU.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, TypeVar

from libcontainer.apart import apart
from libcontainer.bindings.mount import MountFlag, mount
from libcontainer.bindings.mount_setattr import MountAttr, mount_setattr
from libcontainer.bindings.move_mount import MoveMountFlag, move_mount
from libcontainer.bindings.open_tree import OpenTreeFlag, open_tree
from libcontainer.bindings.unshare import unshare
from libcontainer.config import Config, Directory, Overlay
from libcontainer.errors import UnsupportedError
from libcontainer.host.filesystem import make_filesystem

T = TypeVar("T")

_CLONE_NEWNS: Final = 0x00020000
_CLONE_NEWNET: Final = 0x40000000


def check_rootfs(config: Config) -> None:
    """Refuse a root that could not come back as it was.

    Raises:
        UnsupportedError: what was written to it is gone with the container.
    """
    rootfs = config.rootfs
    if isinstance(rootfs, Overlay) and rootfs.upper is None:
        need = "a rootfs that lasts: a directory, or an overlay with an upper directory"
        raise UnsupportedError("checkpoint and restore", need)
    if rootfs.idmap is not None:
        need = "a rootfs without an id map of its own"
        raise UnsupportedError("checkpoint and restore", need)


def on_stage(
    config: Config, root: str, work: Callable[[], T], *, new_network: bool
) -> T:
    """Return what *work* returns, with the root filesystem attached on *root*.

    Only for the thread that *work* runs in, and for what it starts.

    Args:
        config: what the root filesystem is.
        root: an empty directory, a host path.
        work: what is done there.
        new_network: whether it is done in a new network namespace too.

    Raises:
        OSError: the root filesystem cannot be attached.
    """

    def run() -> T:
        unshare(_CLONE_NEWNS | (_CLONE_NEWNET if new_network else 0))
        mount(None, "/", None, MountFlag.REC | MountFlag.PRIVATE)
        _attach(config, root)
        return work()

    return apart("restore", run)


def _attach(config: Config, root: str) -> None:
    tree = _tree(config)
    try:
        if config.readonly_rootfs:
            mount_setattr(tree, attr_set=MountAttr.RDONLY)
        target = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            flags = MoveMountFlag.F_EMPTY_PATH | MoveMountFlag.T_EMPTY_PATH
            move_mount(tree, target, flags=flags)
        finally:
            os.close(target)
    finally:
        os.close(tree)


def _tree(config: Config) -> int:
    rootfs = config.rootfs
    if isinstance(rootfs, Directory):
        return open_tree(rootfs.path, OpenTreeFlag.CLONE | OpenTreeFlag.RECURSIVE)
    options = (
        "source=overlay",
        "lowerdir=" + ":".join(_escaped(layer) for layer in rootfs.lower),
        f"upperdir={_escaped(rootfs.upper or '')}",
        f"workdir={_escaped(rootfs.work or '')}",
    )
    return make_filesystem("overlay", options, 0)


def _escaped(path: str) -> str:
    return path.replace("\\", "\\\\").replace(":", "\\:")
