# SPDX-License-Identifier: Apache-2.0
"""The files of a cgroup as texts, and its directories as a list."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import Final

OPEN: Final = os.O_CLOEXEC | os.O_NOFOLLOW
"""Flags of every open: a cgroup has no symlinks."""


def read_text(path: str) -> str:
    """Return what a file says.

    Raises:
        OSError: it cannot be read.
    """
    fd = os.open(path, os.O_RDONLY | OPEN)
    try:
        parts = []
        while part := os.read(fd, 65536):
            parts.append(part)
        return b"".join(parts).decode()
    finally:
        os.close(fd)


def write_text(path: str, value: str) -> None:
    """Write a value with one call, as the kernel wants it.

    Raises:
        OSError: the kernel refused it.
    """
    fd = os.open(path, os.O_WRONLY | OPEN)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def words(path: str) -> frozenset[str]:
    """Return the words of a file; none where it cannot be read."""
    try:
        return frozenset(read_text(path).split())
    except OSError:
        return frozenset()


def tree(path: str) -> list[str]:
    """Return a directory and all below it, parents first; what vanishes is left out."""
    found = [path]
    for directory in found:
        with contextlib.suppress(FileNotFoundError), os.scandir(directory) as entries:
            found.extend(
                entry.path for entry in entries if entry.is_dir(follow_symlinks=False)
            )
    return found


def is_below(path: str, ancestor: str) -> bool:
    """Tell whether a cgroup is *ancestor* or below it, by whole names."""
    top = ancestor.rstrip("/")
    return path.rstrip("/") == top or path.startswith(f"{top}/")


def members(directory: str) -> list[int]:
    """Return the host pids of the processes of one directory.

    In a threaded cgroup the kernel lists threads only; a process that has one there
    is taken for a member.
    """
    try:
        text = read_text(f"{directory}/cgroup.procs")
    except FileNotFoundError:
        return []
    except OSError as error:
        if error.errno == errno.ENODEV:
            return []
        if error.errno != errno.EOPNOTSUPP:
            raise
        threads = read_text(f"{directory}/cgroup.threads").split()
        return sorted({_process_of(int(thread)) for thread in threads} - {0})
    return [int(word) for word in text.split()]


def _process_of(thread: int) -> int:
    with contextlib.suppress(OSError, StopIteration):
        lines = read_text(f"/proc/{thread}/status").splitlines()
        return int(next(ln for ln in lines if ln.startswith("Tgid:")).split()[1])
    return 0
