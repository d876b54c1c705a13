# SPDX-License-Identifier: Apache-2.0
"""Takes a checkpoint of a running container."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from attrs import frozen

from libcontainer.cgroups.group import Group
from libcontainer.checkpoint import manifest, network
from libcontainer.checkpoint import options as words
from libcontainer.checkpoint.criu import Criu, find_criu, log_tail
from libcontainer.checkpoint.external import (
    external_mounts,
    file_key,
    key_of,
    parse_mountinfo,
)
from libcontainer.checkpoint.rpc import Request
from libcontainer.checkpoint.stage import check_rootfs
from libcontainer.config import Config, Directory
from libcontainer.config.criu import CriuOptions
from libcontainer.errors import CriuError
from libcontainer.host.processref import ProcessRef

_LOG: Final = "dump.log"
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def checkpoint(
    image: str,
    options: CriuOptions,
    *,
    config: Config,
    init: ProcessRef,
    args: tuple[str, ...],
    group: Group | None,
) -> None:
    """Write an image of a container.

    Args:
        image: directory of the image, a host path; made with mode 0700 if it is not
            there.
        options: checked options.
        config: of the container.
        init: its init process.
        args: what that runs.
        group: its cgroup, or None.

    Raises:
        CriuError: it was not taken; the container goes on.
        UnsupportedError: there is no CRIU, or the container cannot come back.
    """
    path = find_criu(options.criu)
    check_rootfs(config)
    outside = _outside(config, init, {} if group is None else group.paths)
    os.makedirs(image, mode=0o700, exist_ok=True)
    with open_folders(image, options.work_dir) as (images, work):
        asked = _request(options, config, images, work, outside)
        asked["pid"] = init.host_pid
        if group is not None:
            asked["freeze_cgroup"] = group.freezer_directory()
        kind = Request.PRE_DUMP if options.pre_dump else Request.DUMP
        keep = [] if options.status_fd is None else [options.status_fd]
        with Criu(path, timeout=options.timeout_seconds, keep=keep) as criu:
            try:
                criu.ask(kind, asked)
            except CriuError as error:
                error.log = log_tail(work, _LOG)
                raise
        if not options.pre_dump:
            note = manifest.Manifest(
                mounts=outside.mounts, streams=outside.streams, args=args
            )
            _write(images, manifest.dump(note))


def _request(
    options: CriuOptions,
    config: Config,
    images: int,
    work: int,
    outside: _Outside,
) -> dict[str, Any]:
    rootfs = config.rootfs
    server = options.page_server
    files = [key for key in outside.streams if key and key.startswith("file")]
    return {
        **words.common(options, images=images, work=work),
        "log_file": _LOG,
        "root": rootfs.path if isinstance(rootfs, Directory) else rootfs.upper,
        "leave_running": options.leave_running,
        "tcp_skip_in_flight": options.tcp_skip_in_flight,
        "link_remap": options.link_remap,
        "ghost_limit": options.ghost_limit,
        "parent_img": options.parent,
        "track_mem": options.pre_dump or options.parent is not None,
        "status_fd": options.status_fd,
        "orphan_pts_master": True,
        "ext_mnt": [
            {"key": point, "val": key_of(number)}
            for number, point in enumerate(outside.mounts)
        ],
        "external": [*dict.fromkeys(files), *outside.namespaces],
        "ps": server and {"address": server[0], "port": server[1]},
    }


@frozen(kw_only=True)
class _Outside:
    """What a container has from outside: paths of mounts, keys of the rest."""

    mounts: tuple[str, ...]
    streams: tuple[str | None, ...]
    namespaces: tuple[str, ...]


def _outside(config: Config, init: ProcessRef, cgroup: Mapping[str, str]) -> _Outside:
    folder = f"/proc/{init.host_pid}"
    inside = parse_mountinfo(_read(f"{folder}/mountinfo"))
    host = parse_mountinfo(_read("/proc/self/mountinfo"))
    mounts = external_mounts(config, inside, host, cgroup)
    own = frozenset(line.mount_id for line in inside)
    streams = tuple(_stream(folder, number, own) for number in range(3))
    namespaces: tuple[str, ...] = ()
    if network.is_external(config):
        number = os.stat(f"{folder}/ns/net").st_ino
        namespaces = (f"net[{number}]:{network.KEY}",)
    return _Outside(mounts=mounts, streams=streams, namespaces=namespaces)


def _stream(folder: str, number: int, own: frozenset[int]) -> str | None:
    try:
        link = os.readlink(f"{folder}/fd/{number}")
        info = dict(
            line.split(":", 1)
            for line in _read(f"{folder}/fdinfo/{number}").splitlines()
            if ":" in line
        )
        inode = os.stat(f"{folder}/fd/{number}").st_ino
    except FileNotFoundError:
        return None
    return file_key(link, int(info.get("mnt_id", "-1")), inode, own)


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def _write(images: int, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(manifest.NAME, flags, 0o600, dir_fd=images), "wb") as file:
        file.write(data)


@contextmanager
def open_folders(image: str, work_dir: str | None) -> Iterator[tuple[int, int]]:
    """Open the image and the work directory for a block.

    Raises:
        OSError: one is not there, or a symlink.
    """
    images = os.open(image, _FOLDER)
    try:
        work = os.open(image if work_dir is None else work_dir, _FOLDER)
        try:
            yield images, work
        finally:
            os.close(work)
    finally:
        os.close(images)
