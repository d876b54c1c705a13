# SPDX-License-Identifier: Apache-2.0
"""What there is to know of a file, and the filesystems that are not for files."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from attrs import frozen

from libcontainer.bindings.statfs import fs_type
from libcontainer.errors import errno_name

_KINDS: Final = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
}

# Filesystems that show the kernel. What a caller reads or writes there is done with
# the caller's rights, whoever of the container put it in the place of a file.
_KERNELS_OWN: Final = frozenset(
    {
        0x9FA0,  # proc
        0x62656572,  # sysfs
        0x27E0EB,  # cgroup
        0x63677270,  # cgroup2
        0x64626720,  # debugfs
        0x74726163,  # tracefs
        0x73636673,  # securityfs
        0xF97CFF8C,  # selinuxfs
        0x43415D53,  # smackfs
        0xCAFE4A11,  # bpf
        0x62656570,  # configfs
        0xDE5E81E4,  # efivarfs
        0x6165676C,  # pstore
        0x42494E4D,  # binfmt_misc
        0x6E736673,  # nsfs
        0x19800202,  # mqueue
        0x1CD1,  # devpts
        0x65735543,  # fusectl
        0x07655821,  # resctrl
    }
)


@frozen(kw_only=True)
class FileInfo:
    """What a container sees of one of its files.

    Attributes:
        kind: ``file``, ``directory``, ``link``, ``fifo``, ``socket``, ``character
            device`` or ``block device``.
        mode: permissions and set-id bits.
        uid: owner in the container; 65534 if it has no such user.
        gid: group in the container, likewise.
        size: bytes.
        mtime: last change of the content, seconds since 1970.
        target: where a link leads, or None.
    """

    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime: float
    target: str | None = None


class RefusedError(PermissionError):
    """What is there is left alone; the message says what it is."""


def kind_of(mode: int) -> str:
    """Return what an inode is, from its mode."""
    return _KINDS.get(stat.S_IFMT(mode), "unknown")


def is_kernels(fd: int) -> bool:
    """Tell whether a file or directory is of a filesystem that shows the kernel."""
    return fs_type(fd) in _KERNELS_OWN


def refuse_kernel(fd: int, path: str) -> None:
    """Refuse a file or directory of a filesystem that shows the kernel.

    Raises:
        RefusedError: it is of one.
    """
    if is_kernels(fd):
        text = f"{path!r} is of a filesystem of the kernel, which is left alone"
        raise RefusedError(errno.EPERM, text)


@contextmanager
def told(verb: str, path: str) -> Iterator[None]:
    """Have an `OSError` say what was tried on which path of the container."""
    try:
        yield
    except RefusedError:
        raise
    except OSError as error:
        if error.errno is None:
            raise
        reason = f"{os.strerror(error.errno).lower()} [{errno_name(error.errno)}]"
        raise OSError(
            error.errno, f"{verb} in the container: {reason}", path
        ) from error
