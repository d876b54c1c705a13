# SPDX-License-Identifier: Apache-2.0
"""Which directories a cgroup has, and who is in them."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import Final

from libcontainer.cgroups.values import read_value

_NO_SUBDIRECTORY: Final = 2


def words(path: str) -> frozenset[str]:
    """Return the words of a file; none where it cannot be read."""
    try:
        return frozenset(read_value(path).split())
    except OSError:
        return frozenset()


def tree(path: str) -> list[str]:
    """Return a directory and all below it, parents first; what vanishes is left out."""
    found = [path]
    for directory in found:
        with contextlib.suppress(FileNotFoundError):
            # "." and ".." of itself, and one ".." of each that is below.
            if os.stat(directory).st_nlink <= _NO_SUBDIRECTORY:
                continue
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
        text = read_value(f"{directory}/cgroup.procs")
    except FileNotFoundError:
        return []
    except OSError as error:
        if error.errno == errno.ENODEV:
            return []
        if error.errno != errno.EOPNOTSUPP:
            raise
        threads = read_value(f"{directory}/cgroup.threads").split()
        return sorted({_process_of(int(thread)) for thread in threads} - {0})
    return [int(word) for word in text.split()]


def _process_of(thread: int) -> int:
    with contextlib.suppress(OSError, StopIteration):
        lines = read_value(f"/proc/{thread}/status").splitlines()
        return int(next(ln for ln in lines if ln.startswith("Tgid:")).split()[1])
    return 0
