# SPDX-License-Identifier: Apache-2.0
"""Ids for a user namespace that has been given none: the caller's sub-ids."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from libcontainer.config import IdMapping
from libcontainer.config.rules import MAX_ID
from libcontainer.errors import UnsupportedError
from libcontainer.host.idmap import TOOLS, can_map_any, find_tool

Range: TypeAlias = tuple[int, int]
"""First id and how many."""

# One extent is the caller's own id, and the kernel takes 340.
_MAX_RANGES: Final = 339


def subid_mappings() -> tuple[tuple[IdMapping, ...], tuple[IdMapping, ...]]:
    """Return the id maps that a container gets where its config has none.

    An unprivileged caller gets container id 0 for its own id, and from 1 on the
    ids that /etc/subuid and /etc/subgid (subuid(5)) give to its name or number,
    in the order of the files. If either has none, or newuidmap or newgidmap is
    not installed, only the first: no other user or group exists inside then. A
    caller with CAP_SETUID gets only what the files give it, from 0 on.

    Returns:
        User ids and group ids, for ``uid_mappings`` and ``gid_mappings``. Host
        ids are those of the caller's user namespace.

    Raises:
        UnsupportedError: a privileged caller has no range in one of the files.
    """
    uids, gids = _ranges("/etc/subuid"), _ranges("/etc/subgid")
    if can_map_any():
        if not uids or not gids:
            need = "uid_mappings and gid_mappings, or ranges of your own in /etc/subuid"
            feature = "a user namespace of a privileged caller without id maps"
            raise UnsupportedError(feature, f"{need} and /etc/subgid")
        return _mappings(uids), _mappings(gids)
    if not uids or not gids or not all(find_tool(name) for name in TOOLS.values()):
        uids = gids = []
    return _mappings([(os.geteuid(), 1), *uids]), _mappings([(os.getegid(), 1), *gids])


def parse_subids(text: str, owners: Iterable[str]) -> list[Range]:
    """Return the ranges that a file in the form of subuid(5) gives to an owner.

    Args:
        text: the file's content; lines that are not of the form are passed over.
        owners: the login name and the user id, either of which may be in it.
    """
    names = frozenset(owners)
    fields = (line.split(":") for line in text.split("\n"))
    found = [
        (int(row[1]), int(row[2]))
        for row in fields
        if len(row) == 3 and row[0] in names and all(map(_is_number, row[1:]))
    ]
    return list(_apart(found))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10


def _apart(ranges: Iterable[Range]) -> Iterator[Range]:
    # The kernel takes no id twice, and the files may name a range twice.
    taken: list[Range] = []
    for first, count in ranges:
        usable = count > 0 and first + count - 1 <= MAX_ID
        clashes = any(
            first < other + size and other < first + count for other, size in taken
        )
        if usable and not clashes and len(taken) < _MAX_RANGES:
            taken.append((first, count))
            yield first, count


def _ranges(path: str) -> list[Range]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return parse_subids(file.read(), _owners())
    except FileNotFoundError:
        return []


def _owners() -> tuple[str, ...]:
    uid = os.geteuid()
    try:
        return (str(uid), pwd.getpwuid(uid).pw_name)
    except KeyError:
        return (str(uid),)


def _mappings(ranges: Iterable[Range]) -> tuple[IdMapping, ...]:
    mappings, inside = [], 0
    for first, count in _apart(ranges):
        size = min(count, MAX_ID + 1 - inside)
        if size <= 0:
            break
        mappings.append(IdMapping(inside, first, size))
        inside += size
    return tuple(mappings)
