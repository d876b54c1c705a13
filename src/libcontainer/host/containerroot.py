# SPDX-License-Identifier: Apache-2.0
"""Opens the root of a container, whether it runs or not."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from libcontainer.bindings.open_tree import OpenTreeFlag, open_tree
from libcontainer.config import Config, Directory, MountAttr, NamespaceType, Overlay
from libcontainer.errors import UnsupportedError
from libcontainer.host.filesystem import make_filesystem
from libcontainer.host.probe import is_privileged
from libcontainer.host.processref import ProcessRef

_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


@contextlib.contextmanager
def live_root(init: ProcessRef) -> Iterator[int]:
    """Open the root directory of a living init process for a block.

    Raises:
        PermissionError: the caller may not look at that process.
        ProcessLookupError: it has ended.
    """
    fd = os.open(f"/proc/{init.host_pid}/root", _FLAGS)
    try:
        # Only now is it known to be the root of that very process.
        if init.is_ending():
            raise ProcessLookupError
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def resting_root(config: Config) -> Iterator[int]:
    """Open the root filesystem of a container without processes for a block.

    Raises:
        UnsupportedError: it has kept nothing, or the caller cannot mount it.
    """
    rootfs = config.rootfs
    if rootfs.idmap is not None:
        need = "a running container, or a root filesystem without idmap"
        raise UnsupportedError("files of an id-mapped root", need)
    if isinstance(rootfs, Directory):
        fd = os.open(rootfs.path, _FLAGS)
    elif rootfs.upper is None:
        need = "a running container, or Overlay(upper=, work=), which is kept"
        raise UnsupportedError("files of a throw-away layer", need)
    else:
        fd = _mount(config, rootfs, (*rootfs.lower,), upper=True)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def lower_root(config: Config, overlay: Overlay) -> Iterator[int]:
    """Open what is below the writable layer of an overlay for a block.

    Raises:
        UnsupportedError: there are several layers, which the caller cannot mount.
    """
    if len(overlay.lower) == 1 and is_privileged():
        # A clone shows what is below the mounts in it, as the layer does.
        fd = open_tree(overlay.lower[0], OpenTreeFlag.CLONE | OpenTreeFlag.CLOEXEC)
    elif len(overlay.lower) == 1:
        fd = os.open(overlay.lower[0], _FLAGS)
    else:
        fd = _mount(config, overlay, overlay.lower, upper=False)
    try:
        yield fd
    finally:
        os.close(fd)


def _mount(
    config: Config,
    overlay: Overlay,
    lower: tuple[str, ...],
    *,
    upper: bool,
) -> int:
    """Return the root of an overlay that is mounted nowhere."""
    if not is_privileged():
        raise UnsupportedError("an overlay of several layers", "CAP_SYS_ADMIN")
    with contextlib.ExitStack() as stack:

        def place(path: str | None) -> str:
            # By descriptor, so that no character of a path means anything.
            fd = os.open(path or "", _FLAGS)
            stack.callback(os.close, fd)
            return f"/proc/self/fd/{fd}"

        options = [f"lowerdir={':'.join(place(layer) for layer in lower)}"]
        if upper:
            options.append(f"upperdir={place(overlay.upper)}")
            options.append(f"workdir={place(overlay.work)}")
        if NamespaceType.USER in config.namespaces:
            options.append("userxattr")
        attributes = MountAttr.NOSUID | MountAttr.NODEV | MountAttr.NOEXEC
        return make_filesystem("overlay", tuple(options), int(attributes))
