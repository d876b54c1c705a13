# SPDX-License-Identifier: Apache-2.0
"""Stops all processes of a cgroup, and lets them go on.

v1 has a controller of its own for that, v2 has it in every cgroup. Frozen by v2 a
process can still be killed; frozen by v1 it ends once it is thawed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Mapping
from typing import Final

from attrs import frozen

from libcontainer.cgroups.directories import members, tree
from libcontainer.cgroups.values import read_value, write_value
from libcontainer.errors import CgroupError
from libcontainer.plan.unified import UNIFIED

FREEZE_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.002


@frozen
class Freezer:
    """What freezes a cgroup.

    Attributes:
        path: the directory with the files, a host path.
        unified: whether these are of v2.
    """

    path: str
    unified: bool

    @staticmethod
    def of(paths: Mapping[str, str]) -> Freezer:
        """Return what freezes the cgroup at *paths*: v2 if that can.

        Raises:
            CgroupError: neither is mounted.
        """
        if UNIFIED in paths:
            return Freezer(paths[UNIFIED], unified=True)
        for name, path in paths.items():
            if "freezer" in name.split(","):
                return Freezer(path, unified=False)
        hint = "the freezer controller is not mounted"
        raise CgroupError(errno.ENOENT, "freeze the cgroup", hint=hint)

    def is_frozen(self) -> bool:
        """Tell whether every process has stopped."""
        return is_frozen(UNIFIED if self.unified else "freezer", self.path)

    def freeze(self, timeout: float = FREEZE_SECONDS) -> None:
        """Stop every process; return when the kernel says that all have.

        Raises:
            CgroupError: it took longer, and everything goes on again; or the
                caller is in the cgroup itself.
        """
        if self._has_caller():
            hint = "the caller is in it, and would stop too"
            raise CgroupError(
                errno.EDEADLK, f"freeze the cgroup {self.path}", hint=hint
            )
        # A process that forks while v1 freezes it needs to be told again.
        again = None if self.unified else lambda: self._set(frozen=True)
        try:
            self._set(frozen=True)
            _await(self.is_frozen, timeout, "freeze the cgroup", again)
        except BaseException:
            with contextlib.suppress(CgroupError):
                self.release()
            raise

    def thaw(self, timeout: float = FREEZE_SECONDS) -> None:
        """Let every process go on.

        Raises:
            CgroupError: a parent of the cgroup is frozen.
        """
        self.release()
        _await(lambda: not self.is_frozen(), timeout, "thaw the cgroup")

    def release(self) -> None:
        """Let every process go on, without a look whether they do.

        Raises:
            CgroupError: the kernel refused it.
        """
        self._set(frozen=False)

    def _has_caller(self) -> bool:
        own = os.getpid()
        return any(own in members(directory) for directory in tree(self.path))

    def _set(self, *, frozen: bool) -> None:
        file, value = "cgroup.freeze", "1" if frozen else "0"
        if not self.unified:
            file, value = "freezer.state", "FROZEN" if frozen else "THAWED"
        try:
            write_value(f"{self.path}/{file}", value)
        except OSError as error:
            what = f"write {value} to {self.path}/{file}"
            raise CgroupError(error.errno or errno.EIO, what) from error


def can_freeze(name: str) -> bool:
    """Tell whether a hierarchy freezes: v2, or that of the v1 controller."""
    return name == UNIFIED or "freezer" in name.split(",")


def is_frozen(name: str, path: str) -> bool:
    """Tell whether the kernel has stopped every process of a directory.

    Args:
        name: of its hierarchy; v1 must have the freezer.
        path: a host path; one that is gone is not frozen.
    """
    try:
        if name == UNIFIED:
            return "frozen 1" in read_value(f"{path}/cgroup.events").splitlines()
        return read_value(f"{path}/freezer.state").strip() == "FROZEN"
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ENODEV}:
            return False
        raise


def _await(
    is_done: Callable[[], bool],
    timeout: float,
    what: str,
    again: Callable[[], None] | None = None,
) -> None:
    deadline = time.monotonic() + timeout
    while not is_done():
        if time.monotonic() >= deadline:
            raise CgroupError(
                errno.ETIMEDOUT,
                what,
                hint=f"the kernel did not confirm it within {timeout} s",
            )
        time.sleep(_POLL_SECONDS)
        if again is not None:
            again()
