# SPDX-License-Identifier: Apache-2.0
"""Tells what is wrong with a configuration on this host, by looking only.

The launch opens every source again and decides by what it then has in hand:
this is for the error that names every problem at once, before anything is
made.
"""

from __future__ import annotations

import errno
import os
import stat

from libcontainer.config import Config, Directory, Mount, NamespaceType
from libcontainer.config.sysctl import sysctl_path
from libcontainer.errors import Problem, errno_name


def check_host(config: Config) -> list[Problem]:
    """Return every host path of a configuration that is not as it must be.

    Args:
        config: a configuration without problems of its own
            (`libcontainer.validate.validate`).
    """
    joined = dict(config.namespace_paths)
    problems = [] if "mount" in joined else _check_rootfs(config)
    if joined:
        problems += _check_namespaces(config, joined)
    for name, mounts in (
        ("base_mounts", config.base_mounts),
        ("mounts", config.mounts),
    ):
        for number, mount in enumerate(mounts):
            if mount.type == "bind":
                problems += _check_source(f"{name}[{number}].source", mount)
    return problems


def _check_rootfs(config: Config) -> list[Problem]:
    rootfs = config.rootfs
    if isinstance(rootfs, Directory):
        return _check_directory("rootfs.path", rootfs.path, is_root=True)
    problems = []
    for number, layer in enumerate(rootfs.lower):
        problems += _check_directory(f"rootfs.lower[{number}]", layer)
    for name, path in (("rootfs.upper", rootfs.upper), ("rootfs.work", rootfs.work)):
        if path is not None:
            problems += _check_directory(name, path)
    if not problems and rootfs.upper is not None and rootfs.work is not None:
        problems += _check_same_mount(rootfs.upper, rootfs.work)
    return problems


def _check_same_mount(upper: str, work: str) -> list[Problem]:
    from libcontainer.bindings.statx import mount_id  # noqa: PLC0415 - rare

    found = []
    for path in (upper, work):
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return []  # Gone just now: the launch tells.
        try:
            found.append(mount_id(fd))
        except OSError:
            return []  # Before Linux 5.8 the launch tells it, too.
        finally:
            os.close(fd)
    if found[0] == found[1]:
        return []
    message = f"{work!r} must be on the same mount as upper, {upper!r}"
    return [Problem("rootfs.work", message)]


def _check_namespaces(
    config: Config, joined: dict[NamespaceType, str]
) -> list[Problem]:
    from libcontainer.host.namespaces import is_own, open_namespace  # noqa: PLC0415 - rare

    problems = []
    named = config.hostname is not None or config.domainname is not None
    for number, (kind, path) in enumerate(joined.items()):
        name = f"namespace_paths[{number}]"
        try:
            fd = open_namespace(path, kind.clone_flag)
        except OSError as error:
            message = f"{path!r} is no {kind} namespace"
            is_other = error.errno == errno.EINVAL
            problems.append(
                Problem(name, message) if is_other else _unusable(name, path, error)
            )
            continue
        own = is_own(fd, kind)
        os.close(fd)
        if own and kind == "user":
            problems.append(Problem(name, f"{path!r} is the caller's own"))
        if own and _has_parameters_of(config, kind):
            message = f"{path!r} is the caller's own, whose parameters must stay"
            problems.append(Problem(name, message))
        if own and kind == "uts" and named:
            message = f"{path!r} is the caller's own, whose names must stay"
            problems.append(Problem(name, message))
    return problems


def _has_parameters_of(config: Config, kind: NamespaceType) -> bool:
    if kind not in {NamespaceType.NETWORK, NamespaceType.IPC}:
        return False
    networks = [sysctl_path(name).startswith("net/") for name, _ in config.sysctl]
    return any(networks) if kind is NamespaceType.NETWORK else not all(networks)


def _own_root(path: str) -> list[Problem]:
    message = (
        f"{path!r} is the host's own root, which the container would write to:"
        " use Overlay.host()"
    )
    return [Problem("rootfs.path", message)]


def _check_directory(name: str, path: str, *, is_root: bool = False) -> list[Problem]:
    try:
        status = os.stat(path)
    except OSError as error:
        return [_unusable(name, path, error)]
    if not stat.S_ISDIR(status.st_mode):
        return [Problem(name, f"{path!r} is not a directory")]
    if is_root and os.path.samestat(status, os.stat("/")):
        return _own_root(path)
    return []


def _check_source(name: str, mount: Mount) -> list[Problem]:
    if mount.source is None or "remount" in mount.extras:
        return []
    try:
        follows = not {"src-nofollow", "copy-symlink"} & mount.extras
        os.stat(mount.source, follow_symlinks=follows)
    except OSError as error:
        return [_unusable(name, mount.source, error)]
    return []


def _unusable(name: str, path: str, error: OSError) -> Problem:
    if isinstance(error, FileNotFoundError):
        return Problem(name, f"{path!r} does not exist")
    number = error.errno or 0
    text = f"look at {path!r}: {os.strerror(number).lower()} [{errno_name(number)}]"
    return Problem(name, text)
