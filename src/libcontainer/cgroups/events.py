# SPDX-License-Identifier: Apache-2.0
"""What happens to a cgroup, told by the kernel: nothing is polled.

v1 has an eventfd for each notification; v2 changes a file, which inotify(7) tells;
pressure is told by the file of a trigger. When the directory is removed the stream
ends.
"""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from libcontainer.bindings.inotify import (
    InotifyMask,
    inotify_add_watch,
    inotify_init,
    read_events,
)
from libcontainer.cgroups.group import Group
from libcontainer.cgroups.parse import flat
from libcontainer.cgroups.stream import EventStream, Source
from libcontainer.cgroups.watch import (
    UNPRIVILEGED_WINDOW_US,
    CgroupEvent,
    EventKind,
    MemoryLevel,
    PressureTrigger,
    Wanted,
    check_wanted,
)
from libcontainer.errors import CgroupError, UnsupportedError
from libcontainer.plan.unified import UNIFIED

_READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_SYSTEM: Final = "/proc/pressure"
_GONE: Final = frozenset({errno.ENODEV, errno.ENOENT})
_V2_STATES: Final = (EventKind.POPULATED, EventKind.FROZEN)


class CgroupEvents(EventStream[CgroupEvent]):
    """The events of one cgroup, from now on; see `EventStream`.

    It ends when the cgroup is removed. It holds three to four fds, and one or two for
    each notification of v1 and each trigger.

    Args:
        group: the cgroup.
        wanted: words of `EventKind` (``oom``, ``memory``, ``populated``, ``frozen``),
            `PressureTrigger` and `MemoryLevel`; nothing is all of the words that the
            cgroup can tell of.

    Raises:
        ConfigError: *wanted* is wrong.
        UnsupportedError: this cgroup does not tell of that.
        CgroupError: it has been removed, or the kernel refused a notification.
    """

    def __init__(self, group: Group, wanted: Iterable[Wanted] = ()) -> None:
        asked = check_wanted(wanted)
        super().__init__()
        try:
            self._watch(group, asked)
        except BaseException:
            self.close()
            raise

    def _watch(self, group: Group, asked: tuple[Wanted, ...]) -> None:
        self._files = files = _Files(group)
        self._add(files)
        for one in asked or tuple(_available(group)):
            if isinstance(one, PressureTrigger):
                self._add(_Trigger(group, one))
            elif isinstance(one, MemoryLevel):
                self._add(_level(group, one))
            elif one == EventKind.OOM and not _has(group, "memory", "memory.events"):
                file = "memory.oom_control"
                self._add(_Notification(group, file, "", _oom_v1))
            else:
                files.watch(one)

    def _source_ended(self, source: Source[CgroupEvent]) -> None:
        # The hierarchies of a container go one after the other: one that is gone
        # ends the stream, and another may have told nothing yet.
        if source is not self._files:
            self._queue.extend(self._files.look())
        super()._source_ended(source)


def _available(group: Group) -> Iterator[Wanted]:
    if _has(group, "memory", "memory.events"):
        yield from (EventKind.OOM, EventKind.MEMORY)
    elif _has(group, "memory", "memory.oom_control"):
        yield EventKind.OOM
    if UNIFIED in group.paths:
        yield from _V2_STATES


def _has(group: Group, controller: str, file: str) -> bool:
    directory = group.directory(controller)
    return directory is not None and os.path.exists(f"{directory}/{file}")


def _open(path: str, flags: int = _READ) -> int:
    try:
        return os.open(path, flags)
    except OSError as error:
        number = error.errno or errno.EIO
        raise CgroupError(number, f"open {path}") from error


def _level(group: Group, level: MemoryLevel) -> _Notification:
    argument = level.level if level.mode == "default" else f"{level.level},{level.mode}"
    event = CgroupEvent(kind=EventKind.LEVEL, name=level.level)
    return _Notification(group, "memory.pressure_level", argument, lambda _: event)


def _oom_v1(text: str) -> CgroupEvent:
    kills = flat(text).get("oom_kill", 0)
    return CgroupEvent(kind=EventKind.OOM, value=kills)


def notify_by_eventfd(directory: str, file: str, argument: str = "") -> int:
    """Have the kernel tell of something by an eventfd; v1 alone.

    Args:
        directory: the cgroup's directory.
        file: what is told of.
        argument: how much of it.

    Returns:
        The eventfd, non-blocking. It becomes ready too when the cgroup is removed.

    Raises:
        CgroupError: the kernel refuses it.
    """
    fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    try:
        control = os.open(f"{directory}/cgroup.event_control", os.O_WRONLY | _READ)
        try:
            # The kernel does not keep the second file.
            about = os.open(f"{directory}/{file}", _READ)
            try:
                os.write(control, f"{fd} {about} {argument}".rstrip().encode())
            finally:
                os.close(about)
        finally:
            os.close(control)
    except OSError as error:
        os.close(fd)
        number = error.errno or errno.EIO
        raise CgroupError(number, f"be notified of {directory}/{file}") from error
    return fd


class _Notification:
    """A notification of v1: an eventfd, and the file that it is about."""

    mask = select.EPOLLIN

    def __init__(
        self,
        group: Group,
        file: str,
        argument: str,
        make: Callable[[str], CgroupEvent],
    ) -> None:
        directory = group.directory("memory")
        if not _has(group, "memory", file):
            raise UnsupportedError(f"events of {file}", "the memory controller of v1")
        self.has_ended = False
        self._make = make
        self.fd = notify_by_eventfd(directory or "", file, argument)
        try:
            self._file = _open(f"{directory}/{file}")
        except BaseException:
            os.close(self.fd)
            raise

    def take(self, mask: int) -> Iterable[CgroupEvent]:
        """Return the event, unless the kernel tells the end of the cgroup so."""
        del mask
        os.eventfd_read(self.fd)
        text = _pread(self._file)
        if text is None:
            self.has_ended = True
            return ()
        return (self._make(text),)

    def close(self) -> None:
        """Close both."""
        os.close(self.fd)
        os.close(self._file)


class _Trigger:
    """A trigger of pressure: the open file is the trigger."""

    mask = select.EPOLLPRI

    def __init__(self, group: Group, trigger: PressureTrigger) -> None:
        self.has_ended = False
        self._event = CgroupEvent(kind=EventKind.PRESSURE, name=str(trigger))
        path = _pressure_path(group, trigger)
        self._is_own = not path.startswith(_SYSTEM)
        self.fd = _open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        line = f"{trigger.kind} {trigger.stall_us} {trigger.window_us}\0"
        try:
            os.write(self.fd, line.encode())
        except OSError as error:
            os.close(self.fd)
            number = error.errno or errno.EIO
            what = f"set the trigger {trigger} in {path}"
            raise CgroupError(number, what, hint=_hint(number, trigger)) from error

    def take(self, mask: int) -> Iterable[CgroupEvent]:
        """Return the event; an error is the end of the cgroup."""
        if mask & select.EPOLLERR:
            self.has_ended = True
            return ()
        return (self._event,)

    def close(self) -> None:
        """Close the trigger."""
        os.close(self.fd)


def _hint(number: int, trigger: PressureTrigger) -> str | None:
    if number == errno.EINVAL and trigger.window_us % UNPRIVILEGED_WINDOW_US:
        return (
            "without CAP_SYS_RESOURCE the window has to be a multiple of"
            f" {UNPRIVILEGED_WINDOW_US} microseconds"
        )
    return None


def _pressure_path(group: Group, trigger: PressureTrigger) -> str:
    name = f"{trigger.resource}.pressure"
    own = f"{group.paths.get(UNIFIED, '')}/{name}"
    if trigger.scope != "system" and UNIFIED in group.paths and os.path.exists(own):
        return own
    system = f"{_SYSTEM}/{trigger.resource}"
    if trigger.scope != "cgroup" and os.path.exists(system):
        return system
    need = "pressure stall information (CONFIG_PSI, psi=1), of a cgroup with v2"
    raise UnsupportedError(f"a trigger of {trigger.resource} pressure", need)


class _Files:
    """One inotify for the files of v2, and for the directory's end."""

    mask = select.EPOLLIN

    def __init__(self, group: Group) -> None:
        self.has_ended = False
        self._group = group
        self._path = group.paths.get(UNIFIED) or next(iter(group.paths.values()))
        self._watched: dict[int, _Watched] = {}
        self.fd = inotify_init()
        try:
            parent = os.path.dirname(self._path)
            mask = InotifyMask.DELETE | InotifyMask.ONLYDIR
            self._parent = inotify_add_watch(self.fd, parent, mask)
            self._probe = _open(self._path, _READ | os.O_DIRECTORY)
        except OSError as error:
            os.close(self.fd)
            number = error.errno or errno.EIO
            raise CgroupError(number, f"watch the cgroup {self._path}") from error

    def watch(self, word: str) -> None:
        """Tell of a word of `EventKind` from now on."""
        is_state = word in _V2_STATES
        name = "cgroup.events" if is_state else "memory.events"
        controller = "cgroup" if is_state else "memory"
        directory = self._group.directory(controller)
        if not _has(self._group, controller, name):
            need = "the memory controller" if word == EventKind.OOM else "cgroup v2"
            raise UnsupportedError(f"events of the kind {word}", need)
        path = f"{directory}/{name}"
        number = inotify_add_watch(self.fd, path, InotifyMask.MODIFY)
        if number not in self._watched:
            # Watched first and read then, so that no change is missed.
            self._watched[number] = _Watched(_open(path))
        self._watched[number].words.add(word)

    def take(self, mask: int) -> Iterable[CgroupEvent]:
        """Return what has changed since the last look."""
        del mask
        seen = list(read_events(self.fd))
        # Where too much has happened at once, all of it is looked at.
        lost = any(event.mask & InotifyMask.Q_OVERFLOW for event in seen)
        name = os.path.basename(self._path)
        ended = any(e.watch == self._parent and e.name == name for e in seen)
        self.has_ended = (ended or lost) and self._has_ended()
        # At the end, too: the kernel tells of a file every 10 ms at most, and of
        # none that has been removed since.
        if lost or self.has_ended:
            return self.look()
        numbers = {event.watch for event in seen}
        return [e for n, w in self._watched.items() if n in numbers for e in w.look()]

    def look(self) -> list[CgroupEvent]:
        """Return what has changed in any file since the last look."""
        return [event for watched in self._watched.values() for event in watched.look()]

    def _has_ended(self) -> bool:
        # Of a removed directory there is no way to its files, whoever made it anew.
        try:
            os.close(os.open("cgroup.procs", _READ, dir_fd=self._probe))
        except OSError as error:
            return error.errno in _GONE
        return False

    def close(self) -> None:
        """Close everything."""
        for watched in self._watched.values():
            os.close(watched.fd)
        os.close(self._probe)
        os.close(self.fd)


class _Watched:
    """A file of ``key number`` lines, and what it said before."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.words: set[str] = set()
        self._before = flat(_pread(fd) or "")

    def look(self) -> Iterator[CgroupEvent]:
        """Yield what differs from the last look."""
        text = _pread(self.fd)
        before = self._before
        # A cgroup that is gone was empty before that, seen or not.
        now = {**before, "populated": 0} if text is None else flat(text)
        self._before = now
        for key, value in now.items():
            if value == before.get(key, 0):
                continue
            if key in _V2_STATES:
                if key in self.words:
                    yield CgroupEvent(kind=EventKind(key), value=value)
            elif key == "oom_kill":
                if EventKind.OOM in self.words:
                    yield CgroupEvent(kind=EventKind.OOM, value=value)
            elif EventKind.MEMORY in self.words:
                yield CgroupEvent(kind=EventKind.MEMORY, name=key, value=value)


def _pread(fd: int) -> str | None:
    """Return what an open file of a cgroup says; None once the cgroup is gone.

    One that can be written only says nothing.
    """
    try:
        return os.pread(fd, 4096, 0).decode("utf-8", "replace")
    except OSError as error:
        if error.errno in _GONE:
            return None
        if error.errno == errno.EINVAL:
            return ""
        raise
