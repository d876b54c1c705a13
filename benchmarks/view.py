# SPDX-License-Identifier: Apache-2.0
"""A private view of the mounts, in which benchmarks may do as they like."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from benchmarks.contender import MissingError

MS_BIND = 4096
MNT_DETACH = 2

_MARK = "LIBCONTAINER_BENCHMARKS_VIEW"
_UNIFIED = Path("/sys/fs/cgroup/unified")


def enter_private_view(arguments: Sequence[str]) -> bool:
    """Run this program anew in a mount namespace of its own, once.

    There /sys/fs/cgroup/unified, which makes crun refuse a hybrid layout, lies under
    an empty tmpfs; crun's stray directories land in that, not on the host. Nothing
    propagates to the host's mounts.

    Args:
        arguments: what follows `python -m benchmarks`.

    Returns:
        Whether the process is in the private view; False without root.
    """
    if os.environ.get(_MARK):
        return True
    if os.geteuid() == 0:
        with suppress(MissingError):
            from benchmarks.peers import find_program  # noqa: PLC0415 - needs us

            _restart(find_program("unshare"), arguments)
    return False


def _restart(unshare: str, arguments: Sequence[str]) -> NoReturn:
    command = [unshare, "--mount", "--propagation", "private", sys.executable]
    environment = {**os.environ, _MARK: "1"}
    os.execve(unshare, [*command, "-m", "benchmarks", *arguments], environment)


def hide_unified_hierarchy() -> None:
    """Cover the v2 tree of a hybrid layout. Call it in the private view only."""
    if os.environ.get(_MARK) == "1" and _UNIFIED.is_mount():
        mount("none", _UNIFIED, "tmpfs")
        # Processes started from here must not cover it again.
        os.environ[_MARK] = "covered"


def is_private() -> bool:
    """Tell whether the process is in the private view."""
    return bool(os.environ.get(_MARK))


def mount(source: str, target: Path, kind: str | None = None, flags: int = 0) -> None:
    """Attach a mount, without the library, which may not be built here.

    Raises:
        OSError: the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    name = None if kind is None else kind.encode()
    if libc.mount(source.encode(), bytes(target), name, ctypes.c_ulong(flags), None):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), str(target))


def unmount(target: Path) -> None:
    """Detach a mount and all below it, by umount2(2).

    Raises:
        OSError: the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(bytes(target), MNT_DETACH):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), str(target))


def count_mounts() -> int:
    """Return how many mounts this process sees."""
    return len(Path("/proc/self/mountinfo").read_text().splitlines())
