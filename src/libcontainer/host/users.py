# SPDX-License-Identifier: Apache-2.0
"""Looks users and groups up in the container's own files.

The files are the image's and may be anything, so they are read with care:
resolved beneath the container's root, regular files only, of limited size, and
never through the C library, whose modules an image could bring along.

All digits are a number, never a name: an image could have a user whose *name*
is ``1000`` and whose id is 0.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from attrs import frozen

from libcontainer.config import Config, Directory
from libcontainer.config.report import Report, show
from libcontainer.config.rules import MAX_ID, user
from libcontainer.errors import StepError, UserLookupError
from libcontainer.host.rootfiles import (
    MAX_CHUNK,
    Seen,
    open_root,
    read_capped,
    read_layered,
)
from libcontainer.plan.facts import Identity
from libcontainer.process import Process

__all__ = [
    "identity_in_container",
    "identity_in_rootfs",
    "read_capped",
    "resolve_user",
]

OpenFile: TypeAlias = Callable[[str], bytes | None]
"""Takes a path below the container's root; answers None if there is no file."""

MAX_LINE_BYTES: Final = 4096

_USER_FILE: Final = "etc/passwd"
_GROUP_FILE: Final = "etc/group"
_NUMBER: Final = re.compile(rb"[0-9]{1,10}")


@frozen
class _User:
    """An entry of the passwd file; None is a number that cannot be read."""

    name: bytes
    uid: int | None
    gid: int | None
    home: str


@frozen
class _Group:
    """An entry of the group file; None is a number that cannot be read."""

    name: bytes
    gid: int | None
    members: tuple[bytes, ...]


def identity_in_rootfs(
    config: Config, process: Process, seen: Seen | None = None
) -> Identity:
    """Return who *process* is, by the files of a rootfs that is not mounted yet.

    Args:
        config: of the container.
        process: its first process.
        seen: what is known of the files of directories.

    Raises:
        UserLookupError: a name is not there, or a file cannot be used.
        StepError: the rootfs cannot be opened.
    """
    rootfs = config.rootfs
    if any(kind == "mount" for kind, _ in config.namespace_paths):
        # The files are those of a namespace that the caller is not in.
        return _identity(config, process, lambda path: None)
    if isinstance(rootfs, Directory):
        return _identity_in(config, process, rootfs.path, seen)
    upper = () if rootfs.upper is None else (rootfs.upper,)
    paths = (*upper, *rootfs.lower)
    with contextlib.ExitStack() as stack:
        layers = [stack.enter_context(_root(path)) for path in paths]
        return _identity(config, process, lambda path: read_layered(layers, path))


def identity_in_container(
    config: Config, process: Process, host_pid: int, seen: Seen | None = None
) -> Identity:
    """Return who *process* is, by the files of a running container.

    Args:
        config: the container's configuration.
        process: what is to join it.
        host_pid: the container's init in the caller's pid namespace; the caller
            holds a pidfd of it, and checks afterwards that it still runs.
        seen: what is known of the files of directories.

    Raises:
        UserLookupError: a name is not there, or a file cannot be used.
        StepError: the container's root cannot be opened.
    """
    return _identity_in(config, process, f"/proc/{host_pid}/root", seen)


def resolve_user(
    spec: str, additional_groups: Sequence[int] | None, open_file: OpenFile
) -> Identity:
    """Return the numbers of a user.

    Args:
        spec: ``name``, ``uid``, ``name:group``, ``uid:gid`` or a mix; an empty
            user part means 0. A uid that is not in the passwd file has gid 0,
            as with Docker.
        additional_groups: supplementary group ids, and no others. None: those
            whose entry in the group file lists the user, if *spec* names no
            group.
        open_file: reads a file of the container.

    Raises:
        UserLookupError: *spec* is not of this form, a name is not there, or a
            file cannot be used.
    """
    _check_form(spec)
    who, _, group = spec.partition(":")
    entry = _find_user(who or "0", open_file)
    gid = 0 if entry.gid is None else entry.gid
    if group:
        gid = _find_group(group, open_file)
    if additional_groups is not None:
        groups = tuple(additional_groups)
    elif group or not entry.name:
        groups = ()
    else:
        groups = _groups_of(entry.name, open_file)
    assert entry.uid is not None  # noqa: S101
    return Identity(uid=entry.uid, gid=gid, groups=groups, home=entry.home)


@contextlib.contextmanager
def _root(path: str) -> Iterator[int]:
    root = _open_root(path)
    try:
        yield root
    finally:
        os.close(root)


def _open_root(path: str) -> int:
    try:
        return open_root(path)
    except OSError as error:
        title = f"open the container's root {path!r}"
        raise StepError(error.errno or 0, title, stage="identity") from error


def _identity_in(
    config: Config, process: Process, path: str, seen: Seen | None = None
) -> Identity:
    root = _open_root(path)
    try:
        return _identity(config, process, lambda file: read_capped(root, file, seen))
    finally:
        os.close(root)


def _identity(config: Config, process: Process, open_file: OpenFile) -> Identity:
    spec = config.user if process.user is None else process.user
    groups = process.additional_groups
    if groups is None:
        groups = config.additional_groups
    return resolve_user(spec, groups, open_file)


@functools.lru_cache(maxsize=64)
def _check_form(spec: str) -> None:
    report = Report()
    user(report, "user", spec)
    if report.problems:
        raise UserLookupError(str(report.problems[0]))


def _find_user(part: str, open_file: OpenFile) -> _User:
    """Return the entry of a user; a number that has none gets an empty one."""
    data = open_file(_USER_FILE) or b""
    find = _user_in if len(data) <= MAX_CHUNK else _user_in.__wrapped__
    found: _User = find(part, data)
    return found


@functools.lru_cache(maxsize=64)
def _user_in(part: str, data: bytes) -> _User:
    if part.isdigit():
        uid = int(part)
        found = next((entry for entry in _users(data) if entry.uid == uid), None)
        if found is None:
            return _User(name=b"", uid=uid, gid=None, home="/")
    else:
        name = part.encode()
        found = next((entry for entry in _users(data) if entry.name == name), None)
        if found is None:
            message = f"user {part!r} is not in the container's /{_USER_FILE}"
            raise UserLookupError(message)
    if found.uid is None or found.gid is None:
        # Read as 0 it would be root.
        message = f"user {part!r} has no valid ids in the container's /{_USER_FILE}"
        raise UserLookupError(message)
    return found


def _find_group(part: str, open_file: OpenFile) -> int:
    if part.isdigit():
        return int(part)
    name = part.encode()
    for group in _groups(open_file):
        if group.name == name:
            return _valid(group)
    message = f"group {part!r} is not in the container's /{_GROUP_FILE}"
    raise UserLookupError(message)


def _groups_of(name: bytes, open_file: OpenFile) -> tuple[int, ...]:
    found = (_valid(g) for g in _groups(open_file) if name in g.members)
    return tuple(dict.fromkeys(found))


def _valid(group: _Group) -> int:
    if group.gid is None:
        name = show(group.name.decode(errors="replace"))
        message = f"group {name} has no valid id in the container's /{_GROUP_FILE}"
        raise UserLookupError(message)
    return group.gid


def _users(data: bytes) -> Iterator[_User]:
    for fields in _entries(_USER_FILE, data, columns=6):
        name, _, uid, gid, _, home = fields[:6]
        yield _User(name=name, uid=_id(uid), gid=_id(gid), home=_home(home))


def _groups(open_file: OpenFile) -> Iterator[_Group]:
    for fields in _entries(_GROUP_FILE, open_file(_GROUP_FILE) or b"", columns=4):
        members = tuple(member.strip() for member in fields[3].split(b","))
        yield _Group(name=fields[0], gid=_id(fields[2]), members=members)


def _entries(path: str, data: bytes, *, columns: int) -> Iterator[list[bytes]]:
    """Return the columns of each line of a file; missing ones are empty."""
    lines = data.split(b"\n")
    for number, line in enumerate(lines, start=1):
        if len(line) > MAX_LINE_BYTES:
            message = f"read /{path}: line {number} is longer than {MAX_LINE_BYTES}"
            raise UserLookupError(f"{message} bytes")
        text = line.strip()
        if text and not text.startswith(b"#"):
            fields = text.split(b":")
            yield fields + [b""] * (columns - len(fields))


def _id(text: bytes) -> int | None:
    if not _NUMBER.fullmatch(text):
        return None
    number = int(text)
    return number if number <= MAX_ID else None


def _home(text: bytes) -> str:
    """Return a home directory; what cannot be one is ``/``."""
    try:
        home = text.decode()
    except UnicodeDecodeError:
        return "/"
    is_path = home.startswith("/") and home.isprintable()
    return home if is_path else "/"
