# SPDX-License-Identifier: Apache-2.0
"""Makes device nodes outside of /dev, in what the image or a mount has there."""

from __future__ import annotations

import errno
import os
import stat

from libcontainer.errors import StepError
from libcontainer.files.beneath import made_parent, own
from libcontainer.plan.steps import MakeNode


def make_node(host_pid: int, wanted: MakeNode) -> None:
    """Make a node, unless the same one is there already.

    Args:
        host_pid: the helper, whose working directory is the container's root.
        wanted: the node; directories above it are made.

    Raises:
        StepError: ``EEXIST``: something else is there.
        OSError: it cannot be made.
    """
    with made_parent(f"/proc/{host_pid}/cwd", wanted.path) as (parent, name):
        _make(parent, name, wanted)


def _make(parent: int, name: str, wanted: MakeNode) -> None:
    device = os.makedev(wanted.major, wanted.minor)
    try:
        os.mknod(name, wanted.mode & ~0o777, device, dir_fd=parent)
    except FileExistsError:
        _check(os.stat(name, dir_fd=parent, follow_symlinks=False), wanted)
        return
    flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    made = os.open(name, flags, dir_fd=parent)
    try:
        own(made, stat.S_IMODE(wanted.mode), wanted.owner)
    finally:
        os.close(made)


def _check(found: os.stat_result, wanted: MakeNode) -> None:
    kind, other = stat.S_IFMT(wanted.mode), stat.S_IFMT(found.st_mode)
    if other != kind:
        what = f"has incorrect ftype: {other:#o} doesn't match expected {kind:#o}"
        raise StepError(errno.EEXIST, wanted.title, hint=f"{wanted.path} {what}")
    numbers = os.major(found.st_rdev), os.minor(found.st_rdev)
    if kind != stat.S_IFIFO and numbers != (wanted.major, wanted.minor):
        has = f"{numbers[0]}:{numbers[1]}"
        what = f"{has} doesn't match expected {wanted.major}:{wanted.minor}"
        hint = f"{wanted.path} has incorrect major:minor: {what}"
        raise StepError(errno.EEXIST, wanted.title, hint=hint)
