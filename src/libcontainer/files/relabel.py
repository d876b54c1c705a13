# SPDX-License-Identifier: Apache-2.0
"""Gives a folder of the host to containers, by its SELinux label (``z`` and ``Z``).

A launch never does: it is a change of the host's files that outlives the container, and
so a call of its own. Every file is labelled by descriptor, and no link is followed.
"""

from __future__ import annotations

import errno
import os
import stat

from libcontainer.bindings.openat2 import Resolve, openat2
from libcontainer.errors import CopyLimitError, errno_name
from libcontainer.files.beneath import LOOK
from libcontainer.files.copy import MAX_DEPTH, MAX_FILES, names_of, opened_folder
from libcontainer.security.selinux import relabel_target

_ATTRIBUTE = "security.selinux"
_HERE = Resolve.BENEATH | Resolve.NO_XDEV | Resolve.NO_MAGICLINKS


def relabel(
    path: str | os.PathLike[str],
    mount_label: str,
    *,
    shared: bool = False,
    max_files: int = MAX_FILES,
) -> list[str]:
    """Label a file or a tree of the host for a container.

    Args:
        path: host path; a link at its end is followed. Not a directory of the system.
        mount_label: the label of the container's files, as `Config.mount_label`.
        shared: whether all containers may use it (``z``), or only those with the
            categories of that label (``Z``).
        max_files: most files and directories.

    Returns:
        What was left as it is, each a path: other mounts within, and files that have
        further names, which may lie where no container should reach.

    Raises:
        ValueError: it must not be relabelled, or the label is none.
        CopyLimitError: there are more files; some are labelled.
        OSError: the kernel refused it. Needs CAP_MAC_ADMIN, or what the policy asks
            for; ``EOPNOTSUPP``: the filesystem keeps no labels.
    """
    found = os.open(path, LOOK)
    try:
        # Where it really is, whatever is renamed on the way to it.
        real = os.readlink(f"/proc/self/fd/{found}")
        label = relabel_target(real, mount_label, shared=shared)
        job = _Relabel(label.encode() + b"\0", max_files)
        job.take(found, real, 0)
    finally:
        os.close(found)
    return job.left


class _Relabel:
    def __init__(self, label: bytes, max_files: int) -> None:
        self._label = label
        self._max_files = max_files
        self._files = 0
        self.left: list[str] = []

    def take(self, found: int, path: str, depth: int) -> None:
        """Label what an O_PATH fd stands for, and what is in it."""
        status = os.fstat(found)
        is_folder = stat.S_ISDIR(status.st_mode)
        self._files += 1
        if self._files > self._max_files or depth >= MAX_DEPTH:
            message = f"{path!r}: more than {self._max_files} files, or too deep"
            raise CopyLimitError(message)
        if stat.S_ISLNK(status.st_mode):
            return  # of no use to a label: nothing is opened by it
        if not is_folder and status.st_nlink > 1:
            self.left.append(path)
            return
        try:
            os.setxattr(f"/proc/self/fd/{found}", _ATTRIBUTE, self._label)
        except OSError as error:
            number = error.errno or 0
            text = f"label: {os.strerror(number).lower()} [{errno_name(number)}]"
            raise OSError(number, text, path) from error
        if is_folder:
            self._below(found, path, depth)

    def _below(self, found: int, path: str, depth: int) -> None:
        with opened_folder(found, ".") as folder:
            for name in names_of(folder, self._max_files):
                try:
                    below = openat2(folder, name, LOOK | os.O_NOFOLLOW, resolve=_HERE)
                except OSError as error:
                    if error.errno == errno.EXDEV:
                        self.left.append(f"{path}/{name}")
                    elif error.errno != errno.ENOENT:
                        raise
                    continue
                try:
                    self.take(below, f"{path}/{name}", depth + 1)
                finally:
                    os.close(below)
