# SPDX-License-Identifier: Apache-2.0
"""The cgroup of one container: a directory in each hierarchy."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time
from collections.abc import Iterable, Mapping

from attrs import frozen

from libcontainer.bindings.pidfd import pidfd_open, pidfd_send_signal
from libcontainer.cgroups.apply import write_limit
from libcontainer.cgroups.directories import is_below, members, tree, words
from libcontainer.cgroups.freezer import FREEZE_SECONDS, Freezer, can_freeze, is_frozen
from libcontainer.cgroups.hierarchy import read_hierarchies
from libcontainer.cgroups.making import (
    delegate,
    make_below,
    make_directory,
    prepare,
    remove_directory,
    remove_made_parents,
)
from libcontainer.cgroups.values import OPEN, Writer, read_value, write_value
from libcontainer.cgroups.writes import AtMost, DeviceFilter, Write
from libcontainer.errors import CgroupError
from libcontainer.plan.unified import UNIFIED
from libcontainer.state import Unit

_REMOVE_SECONDS = 5.0
_KILL_SECONDS = 0.5
# How long a helper may take to end that has lost its caller.
_ABANDON_SECONDS = 1.0
_POLL_SECONDS = 0.01
_ENDING_SECONDS = 0.3
_NOT_RESTORED = frozenset({"devices.allow", "devices.deny", "memory.oom_control"})


@frozen
class Group:
    """The directories of one container's cgroup.

    Attributes:
        paths: host path of the directory, by name of the hierarchy: the v1
            controllers joined by commas, ``name=...``, or `UNIFIED` for v2.
        unit: the systemd unit that it is, or None.
    """

    paths: Mapping[str, str]
    unit: Unit | None = None

    @property
    def is_unified(self) -> bool:
        """Whether the cgroup is in the v2 hierarchy alone."""
        return list(self.paths) == [UNIFIED]

    def directory(self, controller: str) -> str | None:
        """Return the directory that has the files of *controller*, or None."""
        for name, path in self.paths.items():
            if controller in name.split(","):
                return path
        return self.paths.get(UNIFIED)

    # -- making

    def make(
        self, writes: Iterable[Write], owner: tuple[int, int] | None = None
    ) -> None:
        """Make the directories and write the limits.

        Args:
            writes: the limits.
            owner: host uid and gid of whoever may make cgroups below it in v2; None is
                the caller alone.

        Raises:
            CgroupError: it is in use already, or the kernel refused a limit;
                what was made is removed again.
        """
        made: list[str] = []
        try:
            for name, path in self.paths.items():
                make_directory(name, path, made)
            self._limit(writes, owner)
        except BaseException:
            for path in reversed(made):
                with contextlib.suppress(OSError):
                    os.rmdir(path)
                remove_made_parents(path)
            raise

    def make_in_unit(
        self,
        writes: Iterable[Write],
        owner: tuple[int, int] | None,
        pid: int,
    ) -> None:
        """Make of a unit that systemd has started a container's cgroup.

        Args:
            writes: the limits.
            owner: as for `make`.
            pid: the process that is in the unit, which makes room for the container.

        Raises:
            CgroupError: systemd has put it elsewhere, or the kernel refused a limit;
                what was made is removed again, the unit stays.
        """
        subgroup = self.unit is not None and self.unit.subgroup
        made: list[str] = []
        try:
            for name, path in self.paths.items():
                home = os.path.dirname(path) if subgroup else path
                has_it = os.path.isdir(home)
                if not has_it:
                    make_directory(name, path, made)
                elif subgroup:
                    make_below(name, path, pid, made)
                else:
                    prepare(name, path)
            self._check_member(pid)
            self._limit(writes, owner)
        except BaseException:
            for path in reversed(made):
                with contextlib.suppress(OSError):
                    os.rmdir(path)
            raise

    def _check_member(self, pid: int) -> None:
        if pid not in members(self._unit_directory()):
            path = self._unit_directory()
            hint = f"systemd has not put the process {pid} there"
            raise CgroupError(errno.ENOENT, f"find the unit in {path}", hint=hint)

    def _unit_directory(self) -> str:
        for name in (UNIFIED, "name=systemd"):
            if name in self.paths:
                return self.paths[name]
        return self._core()

    def _limit(self, writes: Iterable[Write], owner: tuple[int, int] | None) -> None:
        self.write(writes)
        if owner is not None and self.is_unified:
            # An ordinary user cannot give it away, and need not to itself.
            with contextlib.suppress(PermissionError):
                delegate(self.paths[UNIFIED], owner)

    def write(self, writes: Iterable[Write], *, live: bool = False) -> None:
        """Write limits.

        Args:
            writes: the limits.
            live: whether the cgroup may have a device filter, to be replaced.

        Raises:
            CgroupError: with the file that was refused; earlier ones hold.
        """
        with Writer() as writer:
            for write in writes:
                directory = self.directory(write.controller)
                if directory is not None:
                    write_limit(directory, write, writer, live=live)
                elif not write.optional:
                    raise CgroupError(
                        errno.ENOENT,
                        f"write {write.value!r} to {write.file}",
                        hint=f"the {write.controller} controller is not mounted",
                    )

    def read(self, writes: Iterable[Write]) -> tuple[Write, ...]:
        """Return what the files of *writes* hold now, last first.

        Device rules and the switch of the OOM killer are left out: they cannot be
        read in the form in which they are written.
        """
        found = []
        for write in writes:
            directory = self.directory(write.controller)
            if directory is None or isinstance(write, AtMost | DeviceFilter):
                continue
            if write.file in _NOT_RESTORED:
                continue
            with contextlib.suppress(OSError):
                value = read_value(f"{directory}/{write.file}").strip()
                found.append(Write(write.controller, write.file, value))
        return tuple(reversed(found))

    def restore(self, writes: Iterable[Write]) -> None:
        """Write values back that `read` gave; what is refused is passed over."""
        # Twice, since one limit may have to move before another can.
        pending = tuple(writes)
        for _ in range(2):
            for write in pending:
                with contextlib.suppress(CgroupError):
                    self.write((write,))

    def open_joins(self) -> list[int]:
        """Return one fd for each hierarchy, that a process enters it through.

        A v1 fd is of ``tasks``: a thread that writes 0 there goes in without
        the wait that a pid in ``cgroup.procs`` costs. A v2 fd is of the
        directory, for clone3(2).
        """
        fds: list[int] = []
        try:
            for name, path in self.paths.items():
                if name == UNIFIED:
                    fds.append(os.open(path, os.O_RDONLY | os.O_DIRECTORY | OPEN))
                else:
                    fds.append(os.open(f"{path}/tasks", os.O_WRONLY | OPEN))
        except BaseException:
            for fd in fds:
                os.close(fd)
            raise
        return fds

    # -- looking

    def exists(self) -> bool:
        """Tell whether any directory of it is there."""
        return any(os.path.isdir(path) for path in self.paths.values())

    def refuses_processes(self) -> bool:
        """Tell whether v2 takes no processes: cgroups below have controllers.

        Or it is gone: an init that may has left for another and removed it.
        """
        path = self.paths.get(UNIFIED)
        if path is None:
            return False
        return bool(words(f"{path}/cgroup.subtree_control")) or not os.path.isdir(path)

    def is_reachable(self) -> bool:
        """Tell whether the caller may put a process of its own into the v2 cgroup.

        It needs the right over the nearest cgroup that is above both (cgroups(7),
        *Delegation containment*).
        """
        path = self.paths.get(UNIFIED)
        own = read_hierarchies().unified
        if path is None or own is None:
            return True
        shared = f"{own.mount_point}{own.own}".rstrip("/")
        while not is_below(path, shared):
            shared = os.path.dirname(shared)
        return os.access(f"{shared}/cgroup.procs", os.W_OK, effective_ids=True)

    def pids(self) -> list[int]:
        """Return the host pids of its processes, those of sub-cgroups too.

        The list is of the past unless the cgroup is frozen.
        """
        path = self._core()
        found: set[int] = set()
        for directory in tree(path):
            found.update(members(directory))
        return sorted(found - {0})

    def is_frozen(self) -> bool:
        """Tell whether the kernel has stopped every process of it."""
        try:
            return Freezer.of(self.paths).is_frozen()
        except CgroupError:
            return False

    def freezer_directory(self) -> str | None:
        """Return the directory by which its processes are frozen, or None."""
        try:
            return Freezer.of(self.paths).path
        except CgroupError:
            return None

    # -- acting

    def freeze(self, timeout: float = FREEZE_SECONDS) -> None:
        """Stop every process; return when the kernel says that all have.

        Raises:
            CgroupError: it took longer; everything goes on again.
        """
        Freezer.of(self.paths).freeze(timeout)

    def thaw(self, timeout: float = FREEZE_SECONDS) -> None:
        """Let every process go on.

        Raises:
            CgroupError: a parent of the cgroup is frozen.
        """
        Freezer.of(self.paths).thaw(timeout)

    def kill(self) -> None:
        """Send SIGKILL to every process, those born meanwhile too."""
        path = self.paths.get(UNIFIED)
        if path is None or not _kill_all(path):
            self._kill_frozen()
        elif not self.is_unified:
            # What somebody has frozen by v1 ends only once it is thawed.
            _let_go_on({n: p for n, p in self.paths.items() if n != UNIFIED})

    def remove(self, timeout: float = _REMOVE_SECONDS) -> None:
        """Remove the directories, sub-cgroups first; what is gone is passed over.

        Parents that `make` had to make go with the last cgroup in them.

        Raises:
            CgroupError: processes are still in it after *timeout* seconds.
        """
        failure = None if self.unit is None else _stop(self.unit)
        for path in self.paths.values():
            remove_directory(path, timeout)
        if failure is not None and self.unit is not None and self.unit.subgroup:
            raise failure

    def remove_empty(self, *, in_own: bool) -> bool:
        """Remove the directories if nobody and nothing is in them; tell whether.

        Args:
            in_own: whether it is in the cgroup of its maker, which no launch makes.
        """
        if self.unit is not None:
            return False
        for path in self.paths.values():
            try:
                os.rmdir(path)
            except FileNotFoundError:
                pass
            except OSError:
                return False
        # None was made for a cgroup in its maker's own, so one look is enough there.
        for path in self.paths.values():
            if not remove_made_parents(path) and in_own:
                break
        return True

    def abandon(self) -> None:
        """Remove what a launch that came to nothing has made of it.

        Nobody of the container was ever in it. So whoever is was there before, or
        came by a path that several use, and is left alone with all of it.
        """
        if self.unit is not None:
            # Not before systemd has stopped it: it would never hear of its end.
            if self._is_empty(_ABANDON_SECONDS):
                self.remove()
            return
        for name, path in self.paths.items():
            if can_freeze(name) and is_frozen(name, path):
                return  # by whom it was there before
        for path in self.paths.values():
            with contextlib.suppress(CgroupError):
                remove_directory(path, _ABANDON_SECONDS, below=False)

    # -- parts

    def _is_empty(self, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while self.pids():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def _core(self) -> str:
        for name in (UNIFIED, "pids", "freezer", "name=systemd"):
            if name in self.paths:
                return self.paths[name]
        return next(iter(self.paths.values()))

    def _kill_frozen(self) -> None:
        if not self.pids():
            return  # Nobody is there who could fork.
        # Frozen, no process can fork away between the list and the signal.
        try:
            with contextlib.suppress(CgroupError):
                Freezer.of(self.paths).freeze(_KILL_SECONDS)
            for pid in self.pids():
                _kill(pid)
        finally:
            _let_go_on(self.paths)


@frozen
class Joined:
    """Where a further process goes.

    Attributes:
        group: what it enters.
        own: what was made for it, to be removed after its end; None if nothing was.
    """

    group: Group
    own: Group | None = None

    def remove(self) -> None:
        """Remove what was made for the process; what it left running keeps it."""
        if self.own is not None:
            with contextlib.suppress(CgroupError):
                # What it had started may be ending yet.
                self.own.remove(timeout=_ENDING_SECONDS)


def _stop(unit: Unit) -> CgroupError | None:
    # Loaded only then: it brings jeepney. A unit without processes goes by itself,
    # so an answer is not needed for the cgroup to go.
    from libcontainer.cgroups.systemd_bus import stop_unit  # noqa: PLC0415

    try:
        stop_unit(unit)
    except CgroupError as error:
        return error
    return None


def _kill_all(path: str) -> bool:
    """Kill what is in a v2 cgroup; False if the kernel cannot do it in one step."""
    try:
        write_value(f"{path}/cgroup.kill", "1")
    except FileNotFoundError:
        # Before Linux 5.14, or it is gone.
        return not os.path.isdir(path)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:  # it is threaded
            raise
        return False
    return True


def _let_go_on(paths: Mapping[str, str]) -> None:
    """Thaw what is to end: on v1 a signal is delivered only then.

    Raises:
        CgroupError: twice refused; who waits for its end would wait for ever.
    """
    try:
        freezer = Freezer.of(paths)
    except CgroupError:
        return  # there is nothing that could have frozen it
    try:
        freezer.release()
    except CgroupError:
        try:
            freezer.release()
        except CgroupError as error:
            if error.errno != errno.ENOENT:
                raise


def _kill(pid: int) -> None:
    try:
        pidfd = pidfd_open(pid)
    except OSError as error:
        # EINVAL: older kernels say so of an end whose number is still in use.
        if error.errno not in {errno.ESRCH, errno.EINVAL}:
            raise
        return
    try:
        with contextlib.suppress(ProcessLookupError):
            pidfd_send_signal(pidfd, signal.SIGKILL)
    finally:
        os.close(pidfd)
