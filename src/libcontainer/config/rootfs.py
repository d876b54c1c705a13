# SPDX-License-Identifier: Apache-2.0
"""What the container's root is made of; every path is a host path."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TypeAlias

from attrs import field, frozen

from libcontainer.config.convert import (
    StrPath,
    is_iterable,
    to_optional_path,
    to_path,
)
from libcontainer.config.namespaces import IdMap


def _to_layers(value: StrPath | Iterable[StrPath]) -> tuple[str, ...]:
    if isinstance(value, str | os.PathLike):
        return (to_path(value),)
    if not is_iterable(value):
        return value  # type: ignore[return-value]  # the validator reports it
    return tuple(to_path(layer) for layer in value)


@frozen(cache_hash=True)
class Directory:
    """A directory of the host is the container's root, and is written to."""

    path: str = field(converter=to_path)
    """Absolute host path."""

    idmap: IdMap | None = field(default=None)
    """As whose the files are seen. None: as on the host."""


@frozen(cache_hash=True)
class Overlay:
    """Read-only layers with a writable one on top.

    The layers are directories of a mount: what is mounted below one of them is not part
    of it. As root, `Overlay("/")` has an empty directory where the host has another
    filesystem. *upper* and *work* are for one running container at a time: nothing
    refuses a second one, and what it sees and writes is undefined then, as the kernel
    has it.

    Source: the kernel's ``Documentation/filesystems/overlayfs.rst``.
    """

    lower: tuple[str, ...] = field(converter=_to_layers)
    """Host directories that are not written to, one or several; the first is
    the topmost."""

    upper: str | None = field(default=None, converter=to_optional_path)
    """Host directory that takes what the container writes. None: a tmpfs, so
    that everything written is gone with the container."""

    work: str | None = field(default=None, converter=to_optional_path)
    """Empty host directory on the filesystem of *upper*, and of the same mount, for
    the kernel's use. Needed exactly when *upper* is given."""

    size: int | None = field(default=None)
    """Most bytes the tmpfs may hold. None: the kernel's default, half of the
    memory. Only without *upper*."""

    idmap: IdMap | None = field(default=None)
    """As whose the files of the host's directories are seen. None: as on the host.
    Linux 5.19."""

    @staticmethod
    def host() -> Overlay:
        """Return the host's own root under an ephemeral layer.

        The embedded default: it needs no image. The container reads the
        host's files, as far as its user may, and writes to the tmpfs only.

        For a caller without CAP_SYS_ADMIN the kernel takes no layer with mounts
        beneath it. Each directory of ``/`` is then a layer of its own; one with
        mounts beneath is there with them, but read-only; one that anybody may
        write to (``/tmp``), ``/run`` and the container's own mounts begin empty,
        and files right in ``/`` are left out.
        """
        return Overlay("/")


Rootfs: TypeAlias = Directory | Overlay


def to_rootfs(value: StrPath | Rootfs) -> Rootfs:
    """Return a path as a `Directory`."""
    return Directory(value) if isinstance(value, str | os.PathLike) else value
