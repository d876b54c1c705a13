# SPDX-License-Identifier: Apache-2.0
"""Steps: one total order of what the host and the init side do.

An INIT step is an operation of the closed vocabulary (`libcontainer.plan.ops`).
A HOST step is any object that follows `HostAction`: the actions of this file
are carried out by `libcontainer.host`; a strategy brings its own.
"""

from __future__ import annotations

import enum
from typing import Protocol, runtime_checkable

from attrs import frozen

from libcontainer.config import IdMapping
from libcontainer.config.hooks import AnyHook
from libcontainer.plan.change import Change, tree_text
from libcontainer.plan.describe import attributes_text, flags_text
from libcontainer.plan.ops import Op

Extents = tuple[tuple[int, int, int], ...]
"""(id inside, id outside, size) of each range of an id map."""

CONTROL_SLOT = 0
"""The slot of the control socket, in every plan."""

INIT_SLOT = 1
"""The slot of init's pidfd, in every plan of a further process."""


class Side(enum.Enum):
    """Who carries a step out."""

    HOST = "host"
    INIT = "init"


@runtime_checkable
class HostAction(Protocol):
    """What the host side does in one step. Planning it changes nothing."""

    @property
    def title(self) -> str:
        """What is done, on what: ``verb object (flags)``."""


@frozen
class OpenTree:
    """Clone the mount tree at *host_path* into *slot*, detached.

    Attributes:
        changes: what is changed of it, in order.
        recursive: whether the mounts below come along.
        device: the (major, minor) the inode must have, or None for anything.
        nofollow: whether a symlink is cloned itself.
    """

    slot: int
    host_path: str
    changes: tuple[Change, ...] = ()
    recursive: bool = False
    device: tuple[int, int] | None = None
    nofollow: bool = False

    @property
    def title(self) -> str:
        how = tree_text(self.changes, recursive=self.recursive)
        return f"open the mount tree of {self.host_path!r} ({how})"


@frozen
class OpenPath:
    """Open *host_path* into *slot*, only to name the inode."""

    slot: int
    host_path: str
    device: tuple[int, int] | None = None
    nofollow: bool = False

    @property
    def title(self) -> str:
        return f"open {self.host_path!r}"


@frozen
class OpenFifo:
    """Open the folder of the named pipe at *host_path* into *slot*."""

    slot: int
    host_path: str

    @property
    def title(self) -> str:
        return f"open the fifo {self.host_path!r}"


@frozen
class OpenNamespace:
    """Open the namespace at *host_path* into *slot*; it must be of the kind *flag*."""

    slot: int
    host_path: str
    flag: int

    @property
    def title(self) -> str:
        return f"open the {flags_text(self.flag)} namespace {self.host_path!r}"


@frozen
class MakeTree:
    """Make a filesystem in the caller's namespaces into *slot*, mounted nowhere.

    For one whose source is a path, which only leads there on the host.
    """

    slot: int
    fstype: str
    options: tuple[str, ...]
    attributes: int

    @property
    def title(self) -> str:
        how = ", ".join((attributes_text(self.attributes), *self.options))
        return f"make a {self.fstype} filesystem ({how})"


@frozen
class CopyUp:
    """Fill the tmpfs in *slot* with what is on *path* in the container's root."""

    slot: int
    path: str

    @property
    def title(self) -> str:
        return f"copy what the image has in {self.path!r}"


@frozen
class MakeNode:
    """Make a device node on *path* in the container's root, unless it is there.

    Attributes:
        mode: type and permissions.
        owner: uid and gid on the host.
    """

    path: str
    mode: int
    major: int
    minor: int
    owner: tuple[int, int]

    @property
    def title(self) -> str:
        return f"make the node {self.path!r} ({self.major}:{self.minor})"


@frozen
class CopyLink:
    """Make a symlink that says *target* on *path* in the container's root."""

    target: str
    path: str

    @property
    def title(self) -> str:
        return f"make the symlink {self.path!r} to {self.target!r}"


@frozen
class MapNamespace:
    """Make a user namespace with maps for id-mapped mounts into *slot*."""

    slot: int
    uid_map: Extents
    gid_map: Extents

    @property
    def title(self) -> str:
        maps = f"uid {_map_text(self.uid_map)}; gid {_map_text(self.gid_map)}"
        return f"make a user namespace for id-mapped mounts ({maps})"


@frozen
class UseTemplate:
    """Put the kept, empty mount namespace into *slot*."""

    slot: int

    @property
    def title(self) -> str:
        return "take the template mount namespace"


@frozen
class MakeCgroup:
    """Make the container's cgroup, with its limits; its fds go into *slots*.

    Attributes:
        slots: of the fds that a process enters it through.
        meanwhile: whether the helper is at work already, and takes them when it
            needs them (`ops.Take`).
    """

    slots: tuple[int, ...]
    meanwhile: bool = False

    @property
    def title(self) -> str:
        return "make the cgroup and write its limits"


@frozen
class OpenJoins:
    """Open the container's cgroup for a further process, which takes its fds."""

    @property
    def title(self) -> str:
        return "open the cgroup"


@frozen
class AttachToUnit:
    """Let systemd put the process into the unit that is the container's cgroup."""

    @property
    def title(self) -> str:
        return "enter the systemd unit"


@frozen
class OpenCgroup:
    """Clone the mount of the container's own cgroup into *slot*, detached.

    Attributes:
        hierarchy: the name of the hierarchy it is in.
        change: what is changed of it.
    """

    slot: int
    hierarchy: str
    change: Change

    @property
    def title(self) -> str:
        how = tree_text((self.change,), recursive=False)
        return f"open the container's {self.hierarchy} cgroup ({how})"


@frozen
class Listen:
    """Listen at the container's gate; the socket goes into *slot*."""

    slot: int

    @property
    def title(self) -> str:
        return "listen at the container's gate"


@frozen
class OpenStatus:
    """Make the pipe that tells how init's child ended; its end goes into *slot*."""

    slot: int

    @property
    def title(self) -> str:
        return "make a pipe for the program's status"


@frozen
class OpenNotify:
    """Connect to the service manager at *address*; open the container's socket.

    That has no name yet; it goes into *slot*.
    """

    slot: int
    address: str

    @property
    def title(self) -> str:
        return f"connect to the service manager at {self.address!r}"


@frozen
class Spawn:
    """Start the helper, in the new namespaces *flags*.

    Attributes:
        cgroup: the slot of the v2 cgroup that it starts in, or -1.
    """

    flags: int
    cgroup: int = -1

    @property
    def title(self) -> str:
        where = "" if self.cgroup < 0 else " in its cgroup"
        if not self.flags:
            return f"start the helper{where}"
        return f"start the helper{where} in new namespaces {flags_text(self.flags)}"


@frozen
class MapIds:
    """Write the id maps of the new user namespace."""

    uid_map: Extents
    gid_map: Extents
    deny_setgroups: bool

    @property
    def title(self) -> str:
        return f"map ids (uid {_map_text(self.uid_map)}; gid {_map_text(self.gid_map)})"


@frozen
class SetClocks:
    """Set the clocks of the new time namespace, before any process is in it.

    Attributes:
        offsets: (clock, seconds, nanoseconds) that each is ahead of the host's.
    """

    offsets: tuple[tuple[str, int, int], ...]

    @property
    def title(self) -> str:
        words = [f"{clock} {s} s {ns} ns" for clock, s, ns in self.offsets]
        return f"set the clocks of the time namespace ({', '.join(words)})"


@frozen
class RecordState:
    """Save the container's state; from here on it outlives its caller."""

    status: str

    @property
    def title(self) -> str:
        return f"save state.json: {self.status}"


@frozen
class SendPidfd:
    """Send the process's pidfd to a socket that the caller was told of."""

    @property
    def title(self) -> str:
        return "send the pidfd to its socket"


@frozen
class HookFiles:
    """Make the files that hooks in the container read their state from.

    Attributes:
        slots: of those files, one for each hook.
        output: slot of the file in which their output is kept.
    """

    slots: tuple[int, ...]
    output: int

    @property
    def title(self) -> str:
        return "make the files of the hooks in the container"


@frozen
class TellHooks:
    """Write the container's state for the hooks in the container.

    Attributes:
        creating: slots of the files of those that run before it is created.
        created: slots of the files of those that run when it is started.
        own_pids: whether they are in a pid namespace of the container's own.
    """

    creating: tuple[int, ...]
    created: tuple[int, ...]
    own_pids: bool

    @property
    def title(self) -> str:
        return "write the state for the hooks in the container"


@frozen
class RunHooks:
    """Run hooks on the host, one after the other.

    Attributes:
        kind: which: a field of `libcontainer.Hooks`.
        hooks: the hooks.
    """

    kind: str
    hooks: tuple[AnyHook, ...]

    @property
    def title(self) -> str:
        return f"run hooks.{self.kind} on the host ({len(self.hooks)})"


@frozen
class Step:
    """One step of a plan.

    Attributes:
        index: its number, from 1.
        stage: the stage it belongs to (`libcontainer.plan.stages`).
    """

    index: int
    stage: str
    side: Side
    action: HostAction | Op

    @property
    def title(self) -> str:
        """What the step does."""
        return self.action.title


@frozen
class Slot:
    """One entry of the slot table.

    Attributes:
        name: what the fd is, for people.
        given: whether the caller hands the fd in; otherwise an operation makes it.
    """

    name: str
    given: bool


@frozen
class Plan:
    """Everything a launch will do, in order.

    Attributes:
        steps: HOST and INIT steps in one order.
        slots: the fds both sides name by number.
        stdio: container fd number to slot, for what the caller hands in.
    """

    steps: tuple[Step, ...]
    slots: tuple[Slot, ...]
    stdio: tuple[tuple[int, int], ...]

    @property
    def total(self) -> int:
        """How many steps there are."""
        return len(self.steps)


def extents(mappings: tuple[IdMapping, ...]) -> Extents:
    """Return id ranges as numbers."""
    return tuple((m.container_id, m.host_id, m.size) for m in mappings)


def _map_text(ranges: Extents) -> str:
    return ", ".join(f"{c}->{h} x{n}" for c, h, n in ranges)
