# SPDX-License-Identifier: Apache-2.0
"""What happens to all containers of a factory, without a daemon.

The state folders tell what programs of this library do to containers, by inotify(7);
pidfds tell of ends; the cgroups tell of pauses and of memory that ran out. Nothing is
polled, and no thread is needed.
"""

from __future__ import annotations

import contextlib
import copy
import enum
import os
import select
import time
import weakref
from typing import Final

from attrs import field, frozen

from libcontainer.bindings.inotify import (
    InotifyEvent,
    InotifyMask,
    inotify_add_watch,
    inotify_init,
    inotify_rm_watch,
    read_events,
)
from libcontainer.cgroups.events import notify_by_eventfd
from libcontainer.cgroups.files import Files
from libcontainer.cgroups.group import Group
from libcontainer.cgroups.parse import flat
from libcontainer.cgroups.stream import EventStream
from libcontainer.errors import ContainerNotFoundError, InvalidIdError, StateFileError
from libcontainer.host.children import ExitStatus, has_ended
from libcontainer.host.exitrecord import ExitRecord
from libcontainer.host.fds import above_stdio
from libcontainer.host.lastwords import peek_status
from libcontainer.host.processref import ProcessRef
from libcontainer.host.store import Store
from libcontainer.plan.unified import UNIFIED
from libcontainer.state import ProcessRecord, State
from libcontainer.status import Status

_ROOT: Final = (
    InotifyMask.CREATE
    | InotifyMask.MOVED_TO
    | InotifyMask.MOVED_FROM
    | InotifyMask.DELETE
    | InotifyMask.DELETE_SELF
    | InotifyMask.MOVE_SELF
    | InotifyMask.ONLYDIR
)
# Where the root was, others may make it anew: that is another one.
_ROOT_IS_GONE: Final = (
    InotifyMask.DELETE_SELF
    | InotifyMask.MOVE_SELF
    | InotifyMask.UNMOUNT
    | InotifyMask.IGNORED
)
# A state is renamed into its place, a gate is removed, a pause touches the folder.
_FOLDER: Final = (
    InotifyMask.MOVED_TO
    | InotifyMask.DELETE
    | InotifyMask.ATTRIB
    | InotifyMask.ONLYDIR
    | InotifyMask.DONT_FOLLOW
)


class ContainerEventKind(enum.StrEnum):
    """What has happened to a container."""

    CREATED = "created"
    """It is there."""
    STARTED = "started"
    """Its program runs; again after each restart."""
    PAUSED = "paused"
    """Every process of it is frozen."""
    RESUMED = "resumed"
    """Its processes go on."""
    OOM = "oom"
    """It was out of memory; before the end that this may have led to."""
    EXITED = "exited"
    """Its init process has ended; the event has the status."""
    DELETED = "deleted"
    """It is gone."""


@frozen(kw_only=True)
class ContainerEvent:
    """Something that has happened to a container.

    Attributes:
        kind: what.
        container_id: to which.
        time: when it was seen, seconds since 1970.
        status: how init ended, of ``exited`` alone; both fields None if unknown.
        value: of ``oom``: how many processes were killed for want of memory so far.
    """

    kind: ContainerEventKind
    container_id: str
    time: float = field(factory=time.time, eq=False)
    status: ExitStatus | None = None
    value: int = 0


class FactoryEvents(EventStream[ContainerEvent]):
    """The events of all containers of one factory; see `EventStream`.

    It goes on until it is closed, or until the root directory is removed or moved away:
    who makes another in its place needs another stream. It holds three fds, one more
    for each container that lives, and on cgroup v1 a second one.

    What happens within a moment may be told as one: of a container that was deleted
    before it was looked at there are ``created`` and ``deleted`` alone. A launch that
    fails at its very last step can be seen as ``started`` and ``exited``. On cgroup v1
    a pause is told that a program of this library has made, on v2 any.

    Args:
        store: the containers.
        existing: whether to begin with what has become of those that are there.

    Raises:
        OSError: the root directory cannot be watched.
    """

    def __init__(self, store: Store, *, existing: bool = False) -> None:
        super().__init__()
        self._store = store
        self._watched: dict[str, _Watched] = {}
        self._numbers: dict[int, str] = {}
        try:
            self._folders = _Folders(self)
            self._add(self._folders)
            os.makedirs(store.root, mode=0o700, exist_ok=True)
            self._root = inotify_add_watch(self._folders.fd, store.root, _ROOT)
            for container_id in store.ids():
                found = self._appeared(container_id)
                if existing:
                    self._queue.extend(found)
        except BaseException:
            self.close()
            raise

    def take_folders(self) -> list[ContainerEvent]:
        """Return what the files tell."""
        found: list[ContainerEvent] = []
        for event in read_events(self._folders.fd):
            if event.mask & InotifyMask.Q_OVERFLOW:
                found += self._look_again()
            elif event.watch == self._root:
                found += self._take_root(event)
            elif event.watch in self._numbers:
                found += self._changed(self._numbers[event.watch])
        return found

    def _take_root(self, event: InotifyEvent) -> list[ContainerEvent]:
        if event.mask & _ROOT_IS_GONE:
            self._end()
            return []
        if event.name.startswith(",") or not event.mask & InotifyMask.ISDIR:
            # Not yet a container.
            return []
        gone = self._vanished(event.name)
        if event.mask & (InotifyMask.DELETE | InotifyMask.MOVED_FROM):
            return gone
        return [*gone, *self._appeared(event.name)]

    def _look_again(self) -> list[ContainerEvent]:
        """Return what was missed when there was too much for the kernel to keep."""
        found: list[ContainerEvent] = []
        ids = self._store.ids()
        for gone in set(self._watched).difference(ids):
            found += self._vanished(gone)
        for container_id in ids:
            known = container_id in self._watched
            found += (self._changed if known else self._appeared)(container_id)
        return found

    def _appeared(self, container_id: str) -> list[ContainerEvent]:
        watched = self._watched[container_id] = _Watched(container_id)
        self._watch_file(watched, f"{self._store.root}/{container_id}", _FOLDER)
        created = watched.event(ContainerEventKind.CREATED)
        return [created, *self._changed(container_id)]

    def _vanished(self, container_id: str) -> list[ContainerEvent]:
        watched = self._watched.pop(container_id, None)
        if watched is None:
            return []
        self._forget_files(watched)
        found = self.end(watched)
        return [*found, watched.event(ContainerEventKind.DELETED)]

    def _watch_file(self, watched: _Watched, path: str, mask: int) -> None:
        # What is gone already, or cannot be watched, has no changes to tell.
        with contextlib.suppress(OSError):
            number = inotify_add_watch(self._folders.fd, path, mask)
            self._numbers[number] = watched.container_id
            watched.numbers.append(number)

    def _forget_files(self, watched: _Watched) -> None:
        for number in watched.numbers:
            self._numbers.pop(number, None)
            with contextlib.suppress(OSError):
                inotify_rm_watch(self._folders.fd, number)
        watched.numbers = []

    def _changed(self, container_id: str) -> list[ContainerEvent]:
        watched = self._watched[container_id]
        state = self._state(container_id)
        if state is None:
            return []
        found: list[ContainerEvent] = []
        if state.init is not None and state.init != watched.init:
            found += self.end(watched)
            self._follow(watched, state)
        if state.status is Status.RUNNING and watched.init and not watched.has_started:
            watched.has_started = True
            found.append(watched.event(ContainerEventKind.STARTED))
        if watched.end is None:
            return found
        if watched.end.fd < 0 or has_ended(watched.end.fd):
            return [*found, *self.ended(watched)]
        return [*found, *watched.look_at_memory(), *watched.look_at_freezer()]

    def _state(self, container_id: str) -> State | None:
        try:
            folder = self._store.open(container_id)
        except (ContainerNotFoundError, StateFileError, InvalidIdError):
            return None
        try:
            return folder.read()
        except (ContainerNotFoundError, StateFileError):
            return None
        finally:
            folder.close()

    def _follow(self, watched: _Watched, state: State) -> None:
        """Watch a new init process, and its cgroup."""
        watched.begin(state)
        folder = f"{self._store.root}/{watched.container_id}"
        watched.end = _End(self, watched, state, folder)
        if watched.end.fd >= 0:
            self._add(watched.end)
        group = watched.group
        if group is None:
            return
        unified = group.paths.get(UNIFIED)
        memory = group.directory("memory")
        if unified is not None:
            self._watch_file(watched, f"{unified}/cgroup.events", InotifyMask.MODIFY)
        if memory is not None and memory == unified:
            self._watch_file(watched, f"{memory}/memory.events", InotifyMask.MODIFY)
        elif memory is not None:
            with contextlib.suppress(OSError):
                watched.memory = _MemoryV1(watched, memory)
                self._add(watched.memory)

    def ended(self, watched: _Watched) -> list[ContainerEvent]:
        """Return what is to be told of an end, once it is known how it came."""
        end = watched.end
        later = None if end is None else end.later()
        if end is None or later is None:
            return self.end(watched)
        if end.fd >= 0:
            self._drop(end)
        watched.end = later
        self._add(later)
        return []

    def end(self, watched: _Watched) -> list[ContainerEvent]:
        """Return what is to be told of the end of an init process, once."""
        if watched.end is None:
            return []
        end, watched.end = watched.end, None
        found = watched.look_at_memory()
        if watched.memory is not None:
            found += watched.memory.take(0)
            self._drop(watched.memory)
            watched.memory = None
        exited = ContainerEventKind.EXITED
        found.append(watched.event(exited, status=end.status()))
        if end.fd >= 0:
            self._drop(end)
        return found


class _Watched:
    """A container, and what of it has been told."""

    def __init__(self, container_id: str) -> None:
        self.container_id = container_id
        self.numbers: list[int] = []
        self.init: ProcessRecord | None = None
        self.group: Group | None = None
        self.end: _End | None = None
        self.memory: _MemoryV1 | None = None
        self.has_started = False
        self._is_frozen = False
        self._kills = 0

    def begin(self, state: State) -> None:
        """Begin anew with another init process."""
        self.init = state.init
        self.group = Group(state.cgroup) if state.cgroup else None
        self.has_started = self._is_frozen = False
        self._kills = 0

    def event(
        self,
        kind: ContainerEventKind,
        *,
        status: ExitStatus | None = None,
        value: int = 0,
    ) -> ContainerEvent:
        """Return an event of this container."""
        name = self.container_id
        return ContainerEvent(kind=kind, container_id=name, status=status, value=value)

    def look_at_freezer(self) -> list[ContainerEvent]:
        """Return whether it has been paused or resumed since the last look."""
        if self.group is None or self.group.is_frozen() == self._is_frozen:
            return []
        self._is_frozen = not self._is_frozen
        kinds = ContainerEventKind
        return [self.event(kinds.PAUSED if self._is_frozen else kinds.RESUMED)]

    def look_at_memory(self) -> list[ContainerEvent]:
        """Return whether v2 has counted more kills since the last look."""
        if self.group is None or self.memory is not None:
            return []
        text = Files(self.group).text("memory", "memory.events")
        kills = flat(text).get("oom_kill", 0)
        if kills <= self._kills:
            return []
        self._kills = kills
        return [self.event(ContainerEventKind.OOM, value=kills)]


class _Folders:
    """One inotify for the root, the folders, and the cgroups of v2."""

    mask = select.EPOLLIN
    has_ended = False

    def __init__(self, owner: FactoryEvents) -> None:
        self._owner = weakref.ref(owner)
        self.fd = inotify_init()

    def take(self, mask: int) -> list[ContainerEvent]:
        del mask
        owner = self._owner()
        return [] if owner is None else owner.take_folders()

    def close(self) -> None:
        os.close(self.fd)


class _End:
    """The pidfd of an init process; -1 where it is gone already.

    Where the end is a monitor's to write down, that is waited for too: it reaps init
    first, and then nobody else can know before Linux 6.15.
    """

    mask = select.EPOLLIN
    has_ended = False

    def __init__(
        self, owner: FactoryEvents, watched: _Watched, state: State, folder: str
    ) -> None:
        if state.init is None:
            message = "there is no init process to wait for"
            raise ValueError(message)
        self._owner = weakref.ref(owner)
        self._watched = watched
        self._init = state.init
        self._record = ExitRecord(folder, state.init.host_pid, state.monitor)
        self.is_later = False
        self.fd = _pidfd(state.init)

    def take(self, mask: int) -> list[ContainerEvent]:
        del mask
        owner = self._owner()
        return [] if owner is None else owner.ended(self._watched)

    def later(self) -> _End | None:
        """Return what to wait for yet, or None if there is nothing."""
        if self.is_later or self.status() != ExitStatus():
            return None
        fd = _pidfd(self._record.monitor)
        if fd < 0:
            return None
        other = copy.copy(self)
        other.fd, other.is_later = fd, True
        return other

    def status(self) -> ExitStatus:
        """Return how it has ended, as far as that can be known now."""
        if self.fd >= 0 and not self.is_later:
            return peek_status(self.fd, self._init, self._record)
        written = self._record.read()
        return ExitStatus() if written is None else written[0]

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)


def _pidfd(record: ProcessRecord | None) -> int:
    with ProcessRef.open(record) as process:
        return -1 if process is None else above_stdio(os.dup(process.pidfd))


class _MemoryV1:
    """The eventfd that tells of memory that ran out."""

    mask = select.EPOLLIN
    has_ended = False

    def __init__(self, watched: _Watched, directory: str) -> None:
        self._watched = watched
        self.fd = notify_by_eventfd(directory, "memory.oom_control")

    def take(self, mask: int) -> list[ContainerEvent]:
        del mask
        try:
            os.eventfd_read(self.fd)
        except BlockingIOError:
            return []
        group = self._watched.group
        if group is None:
            return []
        text = Files(group).text("memory", "memory.oom_control")
        if not text:
            return []  # so it tells the end of the cgroup too
        kills = flat(text).get("oom_kill", 0)
        return [self._watched.event(ContainerEventKind.OOM, value=kills)]

    def close(self) -> None:
        os.close(self.fd)
