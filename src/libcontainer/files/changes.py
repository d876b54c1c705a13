# SPDX-License-Identifier: Apache-2.0
"""What has been changed in a tree, compared with what it was made of.

The writable layer itself is not looked at: of a throw-away one there is no path, and
what a name in it means depends on the layers below. In an overlay a file that was
written to has another change time than the one below, whatever it holds; and so has
a directory below which something happened.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Iterator

from attrs import frozen

from libcontainer.bindings.openat2 import Resolve, openat2
from libcontainer.errors import CopyLimitError
from libcontainer.files.beneath import LOOK
from libcontainer.files.copy import MAX_DEPTH, names_of, opened_folder

_MAX_CHANGES = 1_000_000
# Times of files are those of the last tick, in nanoseconds.
_TICK = 20_000_000
_HERE = Resolve.BENEATH | Resolve.NO_XDEV | Resolve.NO_MAGICLINKS


@frozen(order=True)
class Change:
    """One path that is not as it was.

    Attributes:
        path: of the container. Of a directory that was removed nothing below is told.
        kind: ``added``, ``changed`` or ``deleted``.
    """

    path: str
    kind: str


def find_changes(
    now: int,
    before: int,
    *,
    skipped: frozenset[str] = frozenset(),
    since: int = 0,
) -> list[Change]:
    """Return what is different between two trees, sorted by path.

    Args:
        now: fd of the root of the tree as it is; other mounts in it are left out.
        before: the same as it was.
        skipped: paths that are left out.
        since: when the first change can have been made, in nanoseconds since 1970. What
            is older and has the times of before is not gone into.

    Raises:
        CopyLimitError: a tree is too deep, or more than a million paths changed.
        OSError: a directory cannot be read.
    """
    found = _Comparison(skipped, since - _TICK).folders(now, before, "", 0)
    changes = list(itertools.islice(found, _MAX_CHANGES + 1))
    if len(changes) > _MAX_CHANGES:
        message = f"more than {_MAX_CHANGES} paths have changed"
        raise CopyLimitError(message)
    return sorted(changes)


@frozen
class _Comparison:
    skipped: frozenset[str]
    since: int

    def folders(self, now: int, before: int, path: str, depth: int) -> Iterator[Change]:
        _check_depth(path, depth)
        with opened_folder(now, ".") as here, opened_folder(before, ".") as there:
            names, old = (set(names_of(f, _MAX_CHANGES)) for f in (here, there))
            for name in sorted(old - names):
                if f"{path}/{name}" not in self.skipped:
                    yield Change(f"{path}/{name}", "deleted")
            for name in sorted(names):
                below = f"{path}/{name}"
                if below not in self.skipped:
                    yield from self._entry((here, there), name, below, depth)

    def _entry(
        self, folders: tuple[int, int], name: str, path: str, depth: int
    ) -> Iterator[Change]:
        with contextlib.ExitStack() as stack:
            now, before = (_look(folder, name, stack) for folder in folders)
            if now is None or now < 0 or (before is not None and before < 0):
                return
            status = os.fstat(now)
            is_folder = stat.S_ISDIR(status.st_mode)
            if before is None:
                yield Change(path, "added")
                if is_folder:
                    yield from self._all_new(now, path, depth + 1)
                return
            old = os.fstat(before)
            if _differs(status, old):
                yield Change(path, "changed")
            if is_folder and not stat.S_ISDIR(old.st_mode):
                yield from self._all_new(now, path, depth + 1)
            elif is_folder and not self._is_untouched(status, old):
                yield from self.folders(now, before, path, depth + 1)

    def _is_untouched(self, now: os.stat_result, before: os.stat_result) -> bool:
        # What happens below a directory brings it into the writable layer first, which
        # gives it another change time: unless that is of the same tick of the clock.
        return _times(now) == _times(before) and before.st_ctime_ns < self.since

    def _all_new(self, folder: int, path: str, depth: int) -> Iterator[Change]:
        _check_depth(path, depth)
        with opened_folder(folder, ".") as here:
            for name in names_of(here, _MAX_CHANGES):
                below = f"{path}/{name}"
                with contextlib.ExitStack() as stack:
                    found = _look(here, name, stack)
                    if found is None or found < 0 or below in self.skipped:
                        continue
                    yield Change(below, "added")
                    if stat.S_ISDIR(os.fstat(found).st_mode):
                        yield from self._all_new(found, below, depth + 1)


def _check_depth(path: str, depth: int) -> None:
    if depth >= MAX_DEPTH:
        message = f"{path!r} is more than {MAX_DEPTH} directories deep"
        raise CopyLimitError(message)


def _look(folder: int, name: str, stack: contextlib.ExitStack) -> int | None:
    """Return an fd of an entry; None if it is gone, -1 if it is on another mount."""
    try:
        fd = openat2(folder, name, LOOK | os.O_NOFOLLOW, resolve=_HERE)
    except OSError as error:
        if error.errno == errno.EXDEV:
            return -1
        if error.errno == errno.ENOENT:
            return None
        raise
    stack.callback(os.close, fd)
    return fd


def _differs(now: os.stat_result, before: os.stat_result) -> bool:
    mine = (now.st_mode, now.st_uid, now.st_gid, now.st_rdev)
    if mine != (before.st_mode, before.st_uid, before.st_gid, before.st_rdev):
        return True
    # A directory is made anew in the writable layer for whatever happens below it.
    if stat.S_ISDIR(now.st_mode):
        return False
    return (now.st_size, _times(now)) != (before.st_size, _times(before))


def _times(status: os.stat_result) -> tuple[int, int]:
    return status.st_mtime_ns, status.st_ctime_ns
