# SPDX-License-Identifier: Apache-2.0
"""Operations that make detached mounts."""

from __future__ import annotations

from attrs import evolve, frozen

from libcontainer.plan.change import Change, tree_text
from libcontainer.plan.describe import attributes_text
from libcontainer.plan.ops.attach import MAKE_DIRECTORY, Attach
from libcontainer.plan.ops.base import Op
from libcontainer.plan.ops.call import SlotRef, call, text
from libcontainer.plan.ops.nodes import open_beneath
from libcontainer.plan.record import NONE, Record

AT_RECURSIVE = 0x8000
_AT_EMPTY_PATH = 0x1000
_AT_SYMLINK_NOFOLLOW = 0x100
_CLOEXEC = 1  # FSOPEN_CLOEXEC and FSMOUNT_CLOEXEC
_SET_STRING, _CREATE = 1, 6  # FSCONFIG_*
_WHERE_CREATE, _WHERE_CLONE, _WHERE_CONFIGURE = 3, 4, 5
_MAX_OPTION = 255  # fsconfig(2) takes strings of 256 bytes with their NUL


@frozen
class CloneTree(Op):
    """Clone the mount tree at *host_path*, the inode that *slot* holds."""

    KIND = 3
    MAN = "open_tree(2)"
    slot: int
    host_path: str
    change: Change
    recursive: bool
    nofollow: bool = False

    def records(self) -> tuple[Record, ...]:
        how = AT_RECURSIVE if self.recursive else 0
        how |= _AT_SYMLINK_NOFOLLOW if self.nofollow else 0
        clone = Record(
            kind=self.KIND, slot=self.slot, strings=(self.host_path,), flags=how
        )
        # The kernel changes no more mounts than the clone has.
        whole = evolve(self.change, recursive=self.recursive)
        return (clone, *_change(self.slot, whole))

    @property
    def title(self) -> str:
        how = tree_text((self.change,), recursive=self.recursive)
        return f"open the mount tree of {self.host_path!r} ({how})"


@frozen
class ModeOf(Op):
    """Give the filesystem in the making in *slot* the permissions of *path*, if there.

    Attributes:
        path: container path of a directory.
    """

    KIND = 4
    MAN = "fsconfig(2)"
    slot: int
    path: str

    def record(self) -> Record:
        return Record(slot=self.slot, strings=(self.path,))

    @property
    def title(self) -> str:
        return f"take the permissions of {self.path!r}"


@frozen
class MakeFs(Op):
    """Make a new filesystem of *fstype*, mounted nowhere yet.

    Attributes:
        mode_of: container path of a directory whose permissions it gets, if it is
            there.
    """

    MAN = "fsopen(2)"
    slot: int
    fstype: str
    options: tuple[str, ...] = ()
    attributes: int = 0
    purpose: str = ""
    mode_of: str | None = None

    def records(self) -> tuple[Record, ...]:
        named = any(option.startswith("source=") for option in self.options)
        source = () if named else ("source=libcontainer",)
        place = () if self.mode_of is None else (ModeOf(self.slot, self.mode_of),)
        slot = SlotRef(self.slot)
        return (
            call("fsopen", text(self.fstype), _CLOEXEC, result=self.slot),
            *(evolve(mode.record(), kind=ModeOf.KIND) for mode in place),
            *map(self._option, (*self.options, *source)),
            call("fsconfig", slot, _CREATE, where=_WHERE_CREATE),
            call(
                *("fsmount", slot, _CLOEXEC, self.attributes),
                result=self.slot,
                where=_WHERE_CLONE,
            ),
        )

    def _option(self, option: str) -> Record:
        key, has_value, value = option.partition("=")
        how = (_SET_STRING, text(key), text(value)) if has_value else (0, text(key))
        return call("fsconfig", SlotRef(self.slot), *how, where=_WHERE_CONFIGURE)

    @property
    def title(self) -> str:
        named = f"source={self.fstype}"
        options = (option for option in self.options if option != named)
        words = ", ".join((attributes_text(self.attributes), *options))
        if self.mode_of is not None:
            words += ", mode as it is there"
        what = f"make a {self.fstype} filesystem ({words})"
        return f"{what} for {self.purpose}" if self.purpose else what


@frozen
class Overlay(Op):
    """Make an overlay filesystem of layers."""

    MAN = "fsopen(2)"
    slot: int
    scratch: int
    lower: tuple[int, ...]
    upper: int = NONE
    upper_path: str | None = None
    work_path: str | None = None
    attributes: int = 0
    options: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    upper_name: str | None = None

    def records(self) -> tuple[Record, ...]:
        names = tuple(f"l{number}" for number in range(len(self.lower)))
        layers = map(self._layer, self.lower, names)
        # Names of layers are looked up from the working directory.
        enter = call("fchdir", SlotRef(self.scratch))
        upper, work = "upper", "work"
        if self.upper != NONE:
            upper, work = f"u/{self.upper_path}", f"u/{self.work_path}"
        options = (*_lower(names), f"upperdir={upper}", f"workdir={work}")
        make = MakeFs(self.slot, "overlay", (*options, *self.options), self.attributes)
        above = self._above(upper, work)
        return (*layers, *above, enter, *make.records())

    def _layer(self, slot: int, name: str) -> Record:
        where = Attach(
            slot, name, "", base=self.scratch, flags=MAKE_DIRECTORY, mode=0o700
        )
        return evolve(where.record(), kind=Attach.KIND)

    def _above(self, upper: str, work: str) -> tuple[Record, ...]:
        scratch = SlotRef(self.scratch)
        if self.upper == NONE:
            # The upper directory becomes the mode of the container's "/".
            return (
                call("mkdirat", scratch, text(upper), 0o755),
                call("mkdirat", scratch, text(work), 0o700),
            )
        # The kernel wants names, so those that are given are checked to lead through
        # no symlink first; below them it is the caller's own directory.
        return (
            self._layer(self.upper, "u"),
            open_beneath(self.scratch, upper),
            open_beneath(self.scratch, work),
        )

    @property
    def title(self) -> str:
        upper = "a tmpfs" if self.upper_name is None else repr(self.upper_name)
        lower = ", ".join(repr(layer) for layer in self.layers)
        return f"make an overlay of {lower} under {upper}"


@frozen
class SetAttributes(Op):
    """Change the attributes of the mount in *slot*."""

    MAN = "mount_setattr(2)"
    slot: int
    change: Change
    what: str

    def records(self) -> tuple[Record, ...]:
        return _change(self.slot, self.change)

    @property
    def title(self) -> str:
        return f"make {self.what} {self.change.text}"


def _change(slot: int, change: Change) -> tuple[Record, ...]:
    if not change:
        return ()
    attributes = change.pack()
    how = _AT_EMPTY_PATH | (AT_RECURSIVE if change.recursive else 0)
    args = (SlotRef(slot), b"\0", how, attributes, len(attributes))
    return (call("mount_setattr", *args),)


def _lower(names: tuple[str, ...]) -> tuple[str, ...]:
    together = ":".join(names)
    if len(together) <= _MAX_OPTION:
        return (f"lowerdir={together}",)
    # Linux 6.5
    return tuple(f"lowerdir+={name}" for name in names)
