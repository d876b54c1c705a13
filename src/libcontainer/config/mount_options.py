# SPDX-License-Identifier: Apache-2.0
"""Mount options as words, those of mount(8) and of the OCI specification.

Each word sets or clears attributes of the mount, or of the whole tree when it
begins with ``r``; chooses how the mount is made; or is left to the filesystem.
As with mount(8) the last of contradicting words counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, cast

from attrs import define, field

from libcontainer.config.convert import StrPath, is_iterable
from libcontainer.config.mounts import EXTRAS, Mount, MountAttr, Propagation
from libcontainer.config.namespaces import IdMap, IdMapping

_NONE: Final = MountAttr(0)
_TIMES: Final = MountAttr.NOATIME | MountAttr.STRICTATIME

# What a word sets and what it clears. An access time is one choice of three, of
# which "relatime" is what is left when the others are not set.
_ATTRIBUTES: Final = {
    "ro": (MountAttr.RDONLY, _NONE),
    "rw": (_NONE, MountAttr.RDONLY),
    "nosuid": (MountAttr.NOSUID, _NONE),
    "suid": (_NONE, MountAttr.NOSUID),
    "nodev": (MountAttr.NODEV, _NONE),
    "dev": (_NONE, MountAttr.NODEV),
    "noexec": (MountAttr.NOEXEC, _NONE),
    "exec": (_NONE, MountAttr.NOEXEC),
    "noatime": (MountAttr.NOATIME, MountAttr.STRICTATIME),
    "atime": (_NONE, MountAttr.NOATIME),
    "strictatime": (MountAttr.STRICTATIME, MountAttr.NOATIME),
    "nostrictatime": (_NONE, MountAttr.STRICTATIME),
    "relatime": (_NONE, _TIMES),
    "norelatime": (_NONE, _NONE),
    "nodiratime": (MountAttr.NODIRATIME, _NONE),
    "diratime": (_NONE, MountAttr.NODIRATIME),
    "nosymfollow": (MountAttr.NOSYMFOLLOW, _NONE),
    "symfollow": (_NONE, MountAttr.NOSYMFOLLOW),
}

# Flags of the superblock: the word for it, and the one that it takes back.
_SUPERBLOCK: Final = {
    "sync": "async",
    "dirsync": None,
    "lazytime": "nolazytime",
    "mand": "nomand",
    "iversion": "noiversion",
}
_TAKEN_BACK: Final = {off: on for on, off in _SUPERBLOCK.items() if off is not None}

# Without effect: "defaults" says so itself, the others are about messages of the
# kernel's log, which the calls that make our mounts do not write.
_EMPTY: Final = frozenset({"defaults", "silent", "loud"})

_PROPAGATIONS: Final = frozenset(Propagation)
_RANGE: Final = r"@?[0-9]{1,10}-[0-9]{1,10}-[0-9]{1,10}"
_INLINE: Final = re.compile(rf"(uids|gids)=({_RANGE}(#{_RANGE})*)")

WORDS: Final = frozenset(
    {
        *_ATTRIBUTES,
        *(f"r{word}" for word in _ATTRIBUTES),
        *_SUPERBLOCK,
        *_TAKEN_BACK,
        *_EMPTY,
        *_PROPAGATIONS,
        *EXTRAS,
        "bind",
        "rbind",
        "idmap",
        "ridmap",
    }
)
"""Every word that is not left to the filesystem."""


@define
class _Attributes:
    wanted: MountAttr = _NONE
    cleared: MountAttr = _NONE

    def add(self, wanted: MountAttr, cleared: MountAttr) -> None:
        self.wanted = (self.wanted | wanted) & ~cleared
        self.cleared = (self.cleared | cleared) & ~wanted


@define
class _Words:
    own: _Attributes = field(factory=_Attributes)
    tree: _Attributes = field(factory=_Attributes)
    data: dict[str, None] = field(factory=dict)
    bind: str | None = None
    propagation: Propagation = Propagation.RPRIVATE
    extras: set[str] = field(factory=set)
    idmap: str | None = None

    def add(self, word: str) -> None:
        # A word that is no text is kept: the validator reports it.
        if not isinstance(word, str):
            self._keep(word)
        elif word in _ATTRIBUTES:
            self.own.add(*_ATTRIBUTES[word])
        elif word[:1] == "r" and word[1:] in _ATTRIBUTES:
            self.tree.add(*_ATTRIBUTES[word[1:]])
        elif word in _PROPAGATIONS:
            self.propagation = Propagation(word)
        elif word in EXTRAS:
            self.extras.add(word)
        else:
            self._add_other(word)

    def _add_other(self, word: str) -> None:
        if word in {"bind", "rbind"}:
            self.bind = "rbind" if self.bind == "rbind" else word
        elif word.partition("=")[0] in {"idmap", "ridmap"}:
            self.idmap = word
        elif word in _TAKEN_BACK:
            self.data.pop(_TAKEN_BACK[word], None)
        elif word not in _EMPTY:
            self._keep(word)

    def _keep(self, word: str) -> None:
        try:
            self.data[word] = None
        except TypeError:
            self.data[repr(word)] = None


def mount_from_options(  # noqa: PLR0917
    kind: str | None,
    source: StrPath | None,
    destination: StrPath,
    options: Iterable[str],
    uid_mappings: Iterable[IdMapping],
    gid_mappings: Iterable[IdMapping],
) -> Mount:
    """Return the mount that an OCI configuration describes (`Mount.from_options`)."""
    words = _Words()
    for word in options if is_iterable(options) else ():
        words.add(word)
    if words.bind is not None:
        kind = "bind"
    return Mount(
        destination=destination,
        type=cast("str", kind),
        source=source,
        attrs=words.own.wanted,
        attrs_clear=words.own.cleared,
        recursive_attrs=words.tree.wanted,
        recursive_attrs_clear=words.tree.cleared,
        # No collection of words is kept, too, and reported.
        data=tuple(words.data) if is_iterable(options) else options,
        recursive=words.bind == "rbind",
        propagation=words.propagation,
        idmap=_idmap(words.idmap, tuple(uid_mappings), tuple(gid_mappings)),
        extras=frozenset(words.extras),
    )


def _idmap(
    word: str | None, uids: tuple[IdMapping, ...], gids: tuple[IdMapping, ...]
) -> IdMap | None:
    if word is None and not uids and not gids:
        return None
    name, _, text = (word or "idmap").partition("=")
    if text:
        uids, gids = _inline(text)
    return IdMap(uids, gids, recursive=name == "ridmap")


def _inline(text: str) -> tuple[tuple[IdMapping, ...], tuple[IdMapping, ...]]:
    """Read ``uids=0-1000-10#@20-30-1;gids=0-1000-10``: id on the disk, host, size.

    With ``@`` the second is an id of the container, as for crun.
    """
    found: dict[str, tuple[IdMapping, ...]] = {}
    for part in text.split(";"):
        match = _INLINE.fullmatch(part)
        if match is None or match[1] in found:
            # The validator reports text where mappings must be.
            wrong = cast("tuple[IdMapping, ...]", text)
            return wrong, wrong
        found[match[1]] = tuple(_range(extent) for extent in match[2].split("#"))
    return found.get("uids", ()), found.get("gids", ())


def _range(extent: str) -> IdMapping:
    first, host, size = (int(number) for number in extent.lstrip("@").split("-"))
    return IdMapping(first, host, size, relative=extent.startswith("@"))
