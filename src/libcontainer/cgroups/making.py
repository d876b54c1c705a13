# SPDX-License-Identifier: Apache-2.0
"""Makes and removes the directories of a cgroup."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from typing import Final

from libcontainer.cgroups.directories import members, tree, words
from libcontainer.cgroups.freezer import can_freeze, is_frozen
from libcontainer.cgroups.values import OPEN, read_value, write_value
from libcontainer.errors import CgroupError
from libcontainer.plan.unified import UNIFIED

_MADE: Final = "trusted.libcontainer"
"""The extended attribute of a directory that was made on the way to a cgroup."""
_DELEGATE: Final = "/sys/kernel/cgroup/delegate"
# What cgroups(7) names, for kernels before 4.15 that do not list them.
_DELEGATED: Final = ("cgroup.procs", "cgroup.threads", "cgroup.subtree_control")
_POLL_SECONDS: Final = 0.002


def make_directory(name: str, path: str, made: list[str]) -> None:
    """Make the directory of one hierarchy, and those above it.

    Args:
        name: of the hierarchy.
        path: a host path.
        made: gets the path, if it was not there.

    Raises:
        CgroupError: it has processes, or is frozen.
        OSError: the kernel refused it.
    """
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        _refuse_in_use(path)
    except FileNotFoundError:
        _make_parents(name, os.path.dirname(path))
        make_directory(name, path, made)
        return
    else:
        made.append(path)
    prepare(name, path, is_new=path in made)


def make_below(name: str, path: str, pid: int, made: list[str]) -> None:
    """Make a cgroup within that of a process, and move the process into it.

    In v2 it gets its controllers only then: what a cgroup with processes can give
    away makes those below it threaded, which have no memory or io (cgroups(7),
    *Thread mode*).

    Args:
        name: of the hierarchy.
        path: a host path; the directory above it is there.
        pid: the process.
        made: gets the path, if it was not there.

    Raises:
        CgroupError: it has processes, or is frozen.
        OSError: the kernel refused it.
    """
    if name != UNIFIED:
        make_directory(name, path, made)
        write_value(f"{path}/cgroup.procs", str(pid))
        return
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        _refuse_in_use(path)
    else:
        made.append(path)
    write_value(f"{path}/cgroup.procs", str(pid))
    prepare(name, path)


def prepare(name: str, path: str, *, is_new: bool = False) -> None:
    """Make a directory ready for processes.

    Args:
        name: of its hierarchy.
        path: a host path.
        is_new: whether it has just been made, and holds no value of anybody's.

    Raises:
        CgroupError: it is frozen, by itself or from above.
        OSError: the kernel refused it.
    """
    controllers = name.split(",")
    if name == UNIFIED:
        enable_controllers(os.path.dirname(path))
        _join_threads(path)
    if "cpuset" in controllers:
        _copy_cpuset(path, is_new=is_new)
    if can_freeze(name) and is_frozen(name, path):
        # What enters it would never get as far as its program.
        raise CgroupError(
            errno.EBUSY, f"enter the cgroup {path}", hint="it is frozen; thaw it first"
        )


def remove_directory(path: str, timeout: float, *, below: bool = True) -> None:
    """Remove a directory, and parents that were made for it.

    Args:
        path: a host path.
        timeout: seconds to try while processes are in it.
        below: whether empty cgroups below it go as well.

    Raises:
        CgroupError: processes are still in it after *timeout* seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            os.rmdir(path)
        except FileNotFoundError:
            break
        except OSError as error:
            for directory in reversed(tree(path)[1:] if below else ()):
                with contextlib.suppress(OSError):
                    os.rmdir(directory)
            # A process leaves its cgroup a moment after it was reaped.
            if error.errno != errno.EBUSY or time.monotonic() >= deadline:
                raise CgroupError(
                    error.errno or errno.EIO,
                    f"remove the cgroup {path}",
                    hint="processes are still in it",
                ) from error
            time.sleep(_POLL_SECONDS)
        else:
            break
    remove_made_parents(path)


def remove_made_parents(path: str) -> bool:
    """Remove the directories above *path* that were made for one below them.

    Whoever needs one again while it goes makes it anew. Tell whether there was one.
    """
    parent, found = os.path.dirname(path), False
    with contextlib.suppress(OSError):  # not marked, gone, or in use by others
        while True:
            os.getxattr(parent, _MADE)
            found = True
            os.rmdir(parent)
            parent = os.path.dirname(parent)
    return found


def delegate(path: str, owner: tuple[int, int]) -> None:
    """Give a v2 cgroup to a user, to make cgroups of its own in it.

    What limits the cgroup itself stays the caller's.

    Args:
        path: the directory, a host path.
        owner: uid and gid on the host.

    Raises:
        OSError: the caller may not.
    """
    found = os.stat(path, follow_symlinks=False)
    if (found.st_uid, found.st_gid) == owner:
        return
    names = sorted(words(_DELEGATE) or _DELEGATED)
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | OPEN)
    try:
        os.fchown(directory, *owner)
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                os.chown(name, *owner, dir_fd=directory, follow_symlinks=False)
    finally:
        os.close(directory)


def enable_controllers(path: str) -> None:
    """Let the children of a v2 cgroup have every controller that can be had.

    What is refused shows in the limits: their files are not there.
    """
    if _is_complete(path):
        return
    # From the top: a cgroup has the controllers that its parent gives away.
    for directory in _from_the_mount(path):
        _enable(directory)


def _is_complete(path: str) -> bool:
    enabled = words(f"{path}/cgroup.subtree_control")
    if enabled != words(f"{path}/cgroup.controllers"):
        return False
    # One without any may have a parent that only did not give.
    return bool(enabled) or not os.path.exists(f"{os.path.dirname(path)}/cgroup.procs")


def _from_the_mount(path: str) -> list[str]:
    found = [path]
    while os.path.exists(f"{os.path.dirname(found[-1])}/cgroup.procs"):
        found.append(os.path.dirname(found[-1]))
    return found[::-1]


def _enable(directory: str) -> None:
    if _would_be_threaded(directory):
        return
    try:
        fd = os.open(f"{directory}/cgroup.subtree_control", os.O_RDWR | OPEN)
    except OSError:
        return  # not the caller's
    try:
        enabled = set(os.read(fd, 4096).decode().split())
        # One by one: the kernel takes all that are written together, or none.
        for controller in sorted(words(f"{directory}/cgroup.controllers") - enabled):
            with contextlib.suppress(OSError):
                os.write(fd, f"+{controller}".encode())
    finally:
        os.close(fd)


def _would_be_threaded(directory: str) -> bool:
    """Tell whether giving controllers away would turn a cgroup into a threaded one.

    A cgroup with processes can give away those that threads can share, cpu and pids
    among them. Then it stays threaded, whoever's it is, and its children are without
    memory and io (cgroups(7), *Thread mode*). The root alone has no type.
    """
    try:
        kind = read_value(f"{directory}/cgroup.type").strip()
    except OSError:
        return False
    return kind == "domain" and bool(members(directory))


def _join_threads(path: str) -> None:
    """Make a new cgroup below a threaded one a part of its parent's domain.

    No other could be entered there (cgroups(7), *Thread mode*).
    """
    with contextlib.suppress(FileNotFoundError):  # before Linux 4.14
        if read_value(f"{path}/cgroup.type").strip() == "domain invalid":
            write_value(f"{path}/cgroup.type", "threaded")


def _make_parents(name: str, path: str) -> None:
    """Make the directories above a container's, which others may come to share."""
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        return
    except FileNotFoundError:
        _make_parents(name, os.path.dirname(path))
        os.mkdir(path, 0o755)
    # An unprivileged caller may not mark it, and leaves it.
    with contextlib.suppress(OSError):
        os.setxattr(path, _MADE, b"")
    if "cpuset" in name.split(","):
        _copy_cpuset(path, is_new=True)


def _copy_cpuset(path: str, *, is_new: bool) -> None:
    # A new cpuset is empty, and nothing can enter an empty one.
    for file in ("cpuset.cpus", "cpuset.mems"):
        if is_new or not read_value(f"{path}/{file}").strip():
            write_value(f"{path}/{file}", _cpuset_of(os.path.dirname(path), file))


def _cpuset_of(path: str, file: str) -> str:
    """Return what a cpuset has; one that others have left empty is filled first."""
    numbers = read_value(f"{path}/{file}").strip()
    if not numbers:
        numbers = _cpuset_of(os.path.dirname(path), file)
        write_value(f"{path}/{file}", numbers)
    return numbers


def _refuse_in_use(path: str) -> None:
    for directory in tree(path):
        if members(directory):
            raise CgroupError(
                errno.EEXIST,
                f"make the cgroup {path}",
                hint="there are processes in it already",
            )
