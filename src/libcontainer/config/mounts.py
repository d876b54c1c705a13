# SPDX-License-Identifier: Apache-2.0
"""Mounts of the container and how they are made."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final

from attrs import field, frozen

from libcontainer.config.convert import (
    StrPath,
    is_integer,
    to_container_path,
    to_frozenset,
    to_optional_path,
    to_strings,
    to_tuple,
)
from libcontainer.config.namespaces import IdMap, IdMapping


class MountAttr(enum.IntFlag):
    """Attributes of one mount: the kernel's MOUNT_ATTR_* (mount_setattr(2))."""

    RDONLY = 0x00000001
    NOSUID = 0x00000002
    NODEV = 0x00000004
    NOEXEC = 0x00000008
    NOATIME = 0x00000010
    STRICTATIME = 0x00000020
    NODIRATIME = 0x00000080
    NOSYMFOLLOW = 0x00200000


class Propagation(enum.StrEnum):
    """Whether mounts made later below a mount are seen on its peers, and back.

    The words that begin with ``r`` are of a mount and of all below it, the others
    of the mount alone.

    Source: mount_namespaces(7).
    """

    PRIVATE = "private"
    SLAVE = "slave"
    SHARED = "shared"
    UNBINDABLE = "unbindable"
    RPRIVATE = "rprivate"
    RSLAVE = "rslave"
    RSHARED = "rshared"
    RUNBINDABLE = "runbindable"

    @property
    def flag(self) -> int:
        """The kernel's MS_* flag, without MS_REC."""
        return _MS_FLAGS[self.value.removeprefix("r")]

    @property
    def is_recursive(self) -> bool:
        """Whether the mounts below have it too."""
        return self.value.startswith("r")


_MS_FLAGS: Final = {
    "unbindable": 1 << 17,
    "private": 1 << 18,
    "slave": 1 << 19,
    "shared": 1 << 20,
}

EXTRAS: Final = (
    "remount",
    "tmpcopyup",
    "src-nofollow",
    "dest-nofollow",
    "copy-symlink",
    "keep-mode",
)
"""Words for `Mount.extras`."""


def _to_attrs(value: int) -> MountAttr:
    # A negative integer would be read as the complement of some flags.
    if is_integer(value) and value >= 0:
        return MountAttr(value)
    return value  # type: ignore[return-value]  # the validator reports it


def to_propagation(value: str) -> Propagation:
    """Return the propagation that a word means; an unknown word passes unchanged."""
    try:
        return Propagation(value)
    except ValueError:
        return value  # type: ignore[return-value]  # the validator reports it


def _to_words(value: Iterable[str]) -> frozenset[str]:
    return to_frozenset(value)


def _attributes(
    *, read_only: bool, nosuid: bool, nodev: bool, noexec: bool
) -> MountAttr:
    wanted = (
        (read_only, MountAttr.RDONLY),
        (nosuid, MountAttr.NOSUID),
        (nodev, MountAttr.NODEV),
        (noexec, MountAttr.NOEXEC),
    )
    attrs = MountAttr(0)
    for is_wanted, attr in wanted:
        if is_wanted:
            attrs |= attr
    return attrs


@frozen(kw_only=True, cache_hash=True)
class Mount:
    """One mount of the container."""

    destination: str = field(converter=to_container_path)
    """Absolute container path; made if it is missing."""

    type: str
    """``bind``, or any filesystem the kernel has, such as ``tmpfs`` or ``overlay``."""

    source: str | None = field(default=None, converter=to_optional_path)
    """For a bind the absolute host path; for another filesystem a host path, such
    as that of a block device, a name that mountinfo shows, or None."""

    attrs: MountAttr = field(default=MountAttr(0), converter=_to_attrs)
    """Attributes of the mount itself, set before it is attached."""

    attrs_clear: MountAttr = field(default=MountAttr(0), converter=_to_attrs)
    """Attributes that a bind does not take over from its source. One that a user
    namespace has locked cannot be cleared; the kernel refuses it then."""

    recursive_attrs: MountAttr = field(default=MountAttr(0), converter=_to_attrs)
    """Attributes of the mount and of all that come along with it."""

    recursive_attrs_clear: MountAttr = field(default=MountAttr(0), converter=_to_attrs)
    """The same for attributes not to take over."""

    data: tuple[str, ...] = field(default=(), converter=to_strings)
    """Options of the filesystem, each on its own, such as ``size=64m``."""

    recursive: bool = field(default=False)
    """For a bind: whether the mounts below the source come along."""

    propagation: Propagation = field(
        default=Propagation.RPRIVATE, converter=to_propagation
    )
    """Propagation between this mount and its source. With a word for the mount
    alone, those below it take mounts of the host, and give it none."""

    idmap: IdMap | None = field(default=None)
    """For a bind: as whose the files are seen. None: as on the host."""

    extras: frozenset[str] = field(default=frozenset(), converter=_to_words)
    """Words that change how the mount is made:

    - ``remount``: changes the attributes and adds to the options of the last mount
      on this destination, instead of making another.
    - ``tmpcopyup``: a tmpfs begins with a copy of what the image has there. Devices,
      FIFOs and sockets are left out. Needs a privileged caller.
    - ``src-nofollow``: a source that is a symlink is bound itself.
    - ``dest-nofollow``: a destination that is a symlink is mounted on itself.
    - ``copy-symlink``: a source that is a symlink is not bound; the same symlink is
      made in the container. Needs a privileged caller then.
    - ``keep-mode``: a tmpfs has the permissions of the directory that it covers,
      where there is one before it; ``mode=`` in the options is for where there is
      none. A tmpfs of a bundle without ``mode=`` is made so.
    """

    @staticmethod
    def bind(  # noqa: PLR0913
        source: StrPath,
        destination: StrPath,
        *,
        read_only: bool = False,
        recursive: bool = True,
        nosuid: bool = False,
        nodev: bool = False,
        noexec: bool = False,
    ) -> Mount:
        """Return a mount that shows a file or directory of the host.

        The attributes are those of the mounts below the source, too.

        Args:
            source: absolute host path.
            destination: absolute container path.
            read_only: whether nothing can be written through it.
            recursive: whether the mounts below the source come along.
            nosuid: whether set-id bits have no effect.
            nodev: whether device nodes cannot be opened.
            noexec: whether programs cannot be executed.
        """
        attrs = _attributes(
            read_only=read_only, nosuid=nosuid, nodev=nodev, noexec=noexec
        )
        return Mount(
            destination=destination,
            type="bind",
            source=source,
            recursive_attrs=attrs if recursive is True else MountAttr(0),
            attrs=MountAttr(0) if recursive is True else attrs,
            recursive=recursive,
        )

    @staticmethod
    def from_options(
        type: str | None,  # noqa: A002  # the word of the OCI specification
        source: StrPath | None,
        destination: StrPath,
        options: Iterable[str] = (),
        *,
        uid_mappings: Iterable[IdMapping] = (),
        gid_mappings: Iterable[IdMapping] = (),
    ) -> Mount:
        """Return the mount that an OCI configuration describes.

        Args:
            type: the filesystem; None or ``none`` with ``bind`` or ``rbind``
                among the options.
            source: host path, or name of the filesystem.
            destination: absolute container path.
            options: words of mount(8) and of the OCI specification; the last of
                contradicting ones counts, and what is no such word is an option
                of the filesystem.
            uid_mappings: of an id-mapped mount: file ids to host ids.
            gid_mappings: the same for groups.

        Source: OCI runtime specification, config.md, "Linux mount options".
        """
        from libcontainer.config.mount_options import (  # noqa: PLC0415
            mount_from_options,
        )

        return mount_from_options(
            type, source, destination, options, uid_mappings, gid_mappings
        )

    @staticmethod
    def tmpfs(  # noqa: PLR0913
        destination: StrPath,
        *,
        size: int | str | None = None,
        mode: int = 0o1777,
        read_only: bool = False,
        nosuid: bool = True,
        nodev: bool = True,
        noexec: bool = False,
    ) -> Mount:
        """Return a new, empty filesystem in memory.

        Args:
            destination: absolute container path.
            size: most bytes it may hold, or text such as ``64m``; None is the
                kernel's default, half of the memory.
            mode: permissions of its root.
            read_only: whether nothing can be written to it.
            nosuid: whether set-id bits have no effect.
            nodev: whether device nodes cannot be opened.
            noexec: whether programs cannot be executed.
        """
        octal = f"{mode:04o}" if is_integer(mode) else mode
        limit = () if size is None else (f"size={size}",)
        attrs = _attributes(
            read_only=read_only, nosuid=nosuid, nodev=nodev, noexec=noexec
        )
        return Mount(
            destination=destination,
            type="tmpfs",
            source="tmpfs",
            attrs=attrs,
            data=(f"mode={octal}", *limit),
        )


def to_mounts(value: Iterable[Mount]) -> tuple[Mount, ...]:
    """Return mounts as a tuple."""
    return to_tuple(value)


_HARDENED: Final = MountAttr.NOSUID | MountAttr.NODEV | MountAttr.NOEXEC


def filesystem(
    kind: str, destination: str, attrs: MountAttr, data: Iterable[str] = ()
) -> Mount:
    """Return the mount of a new filesystem."""
    return Mount(
        destination=destination, type=kind, source=kind, attrs=attrs, data=data
    )


DEFAULT_BASE_MOUNTS: Final = (
    filesystem("proc", "/proc", _HARDENED),
    filesystem(
        "tmpfs",
        "/dev",
        MountAttr.NOSUID | MountAttr.STRICTATIME,
        ("mode=755", "size=65536k"),
    ),
    filesystem(
        "devpts",
        "/dev/pts",
        MountAttr.NOSUID | MountAttr.NOEXEC,
        ("newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
    ),
    filesystem("tmpfs", "/dev/shm", _HARDENED, ("mode=1777", "size=65536k")),
    filesystem("mqueue", "/dev/mqueue", _HARDENED),
    filesystem("sysfs", "/sys", _HARDENED | MountAttr.RDONLY),
)
"""What ``runc spec`` mounts, without the cgroup mount."""
