# SPDX-License-Identifier: Apache-2.0
"""The cgroup of one container: a directory in each hierarchy."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping

from attrs import frozen

from libcontainer.bindings.bpf import attach_cgroup_device, load_cgroup_device
from libcontainer.bindings.capabilities import CAP_SYS_ADMIN, capget
from libcontainer.bindings.pidfd import pidfd_open, pidfd_send_signal
from libcontainer.cgroups.values import OPEN, Writer, read_value, write_value
from libcontainer.cgroups.writes import DeviceFilter, Write
from libcontainer.errors import CgroupError
from libcontainer.plan.unified import UNIFIED

# PROC_USER_INIT_INO of the kernel.
_FIRST_USER_NAMESPACE = 0xEFFFFFFD
_NO_SUBDIRECTORY = 2
FREEZE_SECONDS = 5.0
_REMOVE_SECONDS = 5.0
_POLL_SECONDS = 0.002
_MADE = "trusted.libcontainer"
"""The extended attribute of a directory that was made on the way to a cgroup."""
_NOT_RESTORED = frozenset({"devices.allow", "devices.deny", "memory.oom_control"})


@frozen
class Group:
    """The directories of one container's cgroup.

    Attributes:
        paths: host path of the directory, by name of the hierarchy: the v1
            controllers joined by commas, ``name=...``, or `UNIFIED` for v2.
    """

    paths: Mapping[str, str]

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

    def make(self, writes: Iterable[Write]) -> None:
        """Make the directories and write the limits.

        Raises:
            CgroupError: it is in use already, or the kernel refused a limit;
                what was made is removed again.
        """
        made: list[str] = []
        try:
            for name, path in self.paths.items():
                _make_directory(name, path, made)
            self.write(writes)
        except BaseException:
            for path in reversed(made):
                with contextlib.suppress(OSError):
                    os.rmdir(path)
                _remove_made_parents(path)
            raise

    def write(self, writes: Iterable[Write]) -> None:
        """Write limits.

        Raises:
            CgroupError: with the file that was refused; earlier ones hold.
        """
        with Writer() as writer:
            for write in writes:
                directory = self.directory(write.controller)
                if directory is not None:
                    _write_limit(directory, write, writer)
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
            if directory is None or write.file in _NOT_RESTORED:
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

    def pids(self) -> list[int]:
        """Return the host pids of its processes, those of sub-cgroups too.

        The list is of the past unless the cgroup is frozen.
        """
        path = self._core()
        found: set[int] = set()
        for directory in _tree(path):
            with contextlib.suppress(FileNotFoundError):
                text = read_value(f"{directory}/cgroup.procs")
                found.update(int(word) for word in text.split())
        return sorted(found - {0})

    def is_frozen(self) -> bool:
        """Tell whether the kernel has stopped every process of it."""
        path = self._freezer()
        if path is None:
            return False
        try:
            if self._freezes_by_v1():
                return read_value(f"{path}/freezer.state").strip() == "FROZEN"
            return "frozen 1" in read_value(f"{path}/cgroup.events").splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return False

    def freezer_directory(self) -> str | None:
        """Return the directory by which its processes are frozen, or None."""
        return self._freezer()

    # -- acting

    def freeze(self, timeout: float = FREEZE_SECONDS) -> None:
        """Stop every process; return when the kernel says that all have.

        Raises:
            CgroupError: it took longer; everything goes on again.
        """
        try:
            self._set_frozen(frozen=True)
            self._await(self.is_frozen, timeout, "freeze the cgroup")
        except BaseException:
            self._set_frozen(frozen=False)
            raise

    def thaw(self, timeout: float = FREEZE_SECONDS) -> None:
        """Let every process go on.

        Raises:
            CgroupError: a parent of the cgroup is frozen.
        """
        self._set_frozen(frozen=False)
        self._await(lambda: not self.is_frozen(), timeout, "thaw the cgroup")

    def kill(self) -> None:
        """Send SIGKILL to every process, those born meanwhile too."""
        path = self.paths.get(UNIFIED)
        if path is not None and self.is_unified:
            try:
                write_value(f"{path}/cgroup.kill", "1")
            except FileNotFoundError:
                self._kill_frozen()
            return
        self._kill_frozen()

    def remove(self, timeout: float = _REMOVE_SECONDS) -> None:
        """Remove the directories, sub-cgroups first; what is gone is passed over.

        Parents that `make` had to make go with the last cgroup in them.

        Raises:
            CgroupError: processes are still in it after *timeout* seconds.
        """
        deadline = time.monotonic() + timeout
        for path in self.paths.values():
            while True:
                try:
                    os.rmdir(path)
                except FileNotFoundError:
                    break
                except OSError as error:
                    _remove_below(path)
                    # A process leaves its cgroup a moment after it was reaped.
                    if error.errno != errno.EBUSY or time.monotonic() >= deadline:
                        raise CgroupError(
                            error.errno or errno.EIO,
                            f"remove the cgroup {path}",
                            hint="processes are still in it",
                        ) from error
                    time.sleep(_POLL_SECONDS)
                else:
                    break
            _remove_made_parents(path)

    # -- parts

    def _core(self) -> str:
        for name in (UNIFIED, "pids", "freezer", "name=systemd"):
            if name in self.paths:
                return self.paths[name]
        return next(iter(self.paths.values()))

    def _freezes_by_v1(self) -> bool:
        return not self.is_unified

    def _freezer(self) -> str | None:
        if self._freezes_by_v1():
            return next(
                (p for n, p in self.paths.items() if "freezer" in n.split(",")), None
            )
        return self.paths[UNIFIED]

    def _set_frozen(self, *, frozen: bool) -> None:
        path = self._freezer()
        if path is None:
            raise CgroupError(
                errno.ENOENT,
                "freeze the cgroup",
                hint="the freezer controller is not mounted",
            )
        if self._freezes_by_v1():
            write_value(f"{path}/freezer.state", "FROZEN" if frozen else "THAWED")
        else:
            write_value(f"{path}/cgroup.freeze", "1" if frozen else "0")

    def _await(self, is_done: Callable[[], bool], timeout: float, what: str) -> None:
        deadline = time.monotonic() + timeout
        while not is_done():
            if time.monotonic() >= deadline:
                raise CgroupError(
                    errno.ETIMEDOUT,
                    what,
                    hint=f"the kernel did not confirm it within {timeout} s",
                )
            time.sleep(_POLL_SECONDS)
            if what.startswith("freeze") and self._freezes_by_v1():
                # A process that forks while it is frozen needs to be told again.
                self._set_frozen(frozen=True)

    def _kill_frozen(self) -> None:
        if not self.pids():
            return  # Nobody is there who could fork.
        # Frozen, no process can fork away between the list and the signal.
        try:
            with contextlib.suppress(CgroupError, OSError):
                self._set_frozen(frozen=True)
                self._await(self.is_frozen, 0.5, "freeze the cgroup")
            for pid in self.pids():
                _kill(pid)
        finally:
            self._let_go_on()

    def _let_go_on(self) -> None:
        """Thaw what is to end: on v1 a signal is delivered only then.

        Raises:
            CgroupError: twice refused; who waits for its end would wait for ever.
        """
        if self._freezer() is None:
            return
        with contextlib.suppress(OSError):
            self._set_frozen(frozen=False)
            return
        try:
            self._set_frozen(frozen=False)
        except FileNotFoundError:
            return
        except OSError as error:
            number = error.errno or errno.EIO
            raise CgroupError(number, "thaw the cgroup") from error


def _kill(pid: int) -> None:
    try:
        pidfd = pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        with contextlib.suppress(ProcessLookupError):
            pidfd_send_signal(pidfd, signal.SIGKILL)
    finally:
        os.close(pidfd)


def _make_directory(name: str, path: str, made: list[str]) -> None:
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        _refuse_in_use(path)
    except FileNotFoundError:
        _make_parents(name, os.path.dirname(path))
        _make_directory(name, path, made)
        return
    else:
        made.append(path)
    if name == UNIFIED:
        _enable_controllers(os.path.dirname(path))
    if "cpuset" in name.split(","):
        _copy_cpuset(path, is_new=path in made)


def _make_parents(name: str, path: str) -> None:
    """Make the directories above a container's, which others may come to share."""
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        return
    except FileNotFoundError:
        _make_parents(name, os.path.dirname(path))
        os.mkdir(path, 0o755)
    # An unprivileged caller may not mark it, and leaves it.
    with contextlib.suppress(OSError):
        os.setxattr(path, _MADE, b"")
    if "cpuset" in name.split(","):
        _copy_cpuset(path, is_new=True)


def _remove_made_parents(path: str) -> None:
    """Remove the directories above *path* that `_make_parents` has marked.

    Whoever needs one again while it goes makes it anew.
    """
    parent = os.path.dirname(path)
    with contextlib.suppress(OSError):  # not marked, gone, or in use by others
        while True:
            os.getxattr(parent, _MADE)
            os.rmdir(parent)
            parent = os.path.dirname(parent)


def _enable_controllers(path: str) -> None:
    """Let the children of a v2 cgroup have every controller that it has itself.

    What is refused shows in the limits: their files are not there.
    """
    available = _words(f"{path}/cgroup.controllers")
    if available is None:
        return
    missing = available - (_words(f"{path}/cgroup.subtree_control") or set())
    if not missing:
        return
    _enable_controllers(os.path.dirname(path))
    missing = _words(f"{path}/cgroup.controllers") or set()
    # One by one: the kernel takes all that are written together, or none.
    for controller in sorted(missing):
        with contextlib.suppress(OSError):
            write_value(f"{path}/cgroup.subtree_control", f"+{controller}")


def _words(path: str) -> set[str] | None:
    try:
        return set(read_value(path).split())
    except FileNotFoundError:
        return None


def _copy_cpuset(path: str, *, is_new: bool) -> None:
    # A new cpuset is empty, and nothing can enter an empty one.
    for file in ("cpuset.cpus", "cpuset.mems"):
        if is_new or not read_value(f"{path}/{file}").strip():
            value = read_value(f"{os.path.dirname(path)}/{file}").strip()
            write_value(f"{path}/{file}", value)


def _refuse_in_use(path: str) -> None:
    for directory in _tree(path):
        if read_value(f"{directory}/cgroup.procs").strip():
            raise CgroupError(
                errno.EEXIST,
                f"make the cgroup {path}",
                hint="there are processes in it already",
            )


def _tree(path: str) -> list[str]:
    found = [path]
    for directory in found:
        with contextlib.suppress(FileNotFoundError):
            # "." and ".." of itself, and one ".." of each that is below.
            if os.stat(directory).st_nlink <= _NO_SUBDIRECTORY:
                continue
        with contextlib.suppress(FileNotFoundError), os.scandir(directory) as entries:
            found.extend(
                entry.path for entry in entries if entry.is_dir(follow_symlinks=False)
            )
    return found


def _remove_below(path: str) -> None:
    for directory in reversed(_tree(path)[1:]):
        with contextlib.suppress(OSError):
            os.rmdir(directory)


def _write_limit(directory: str, write: Write, writer: Writer) -> None:
    try:
        if isinstance(write, DeviceFilter):
            _attach(directory, write)
        else:
            writer.write(f"{directory}/{write.file}", write.value)
    except OSError as error:
        if write.optional and error.errno in {errno.ENOENT, errno.EOPNOTSUPP}:
            return
        raise CgroupError(
            error.errno or errno.EIO,
            f"write {write.value!r} to {directory}/{write.file}",
            hint=_limit_hint(write, error.errno),
        ) from error


def _attach(directory: str, limit: DeviceFilter) -> None:
    if limit.optional and not _may_filter():
        return
    cgroup = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | OPEN)
    try:
        program = load_cgroup_device(limit.program)
        try:
            attach_cgroup_device(cgroup, program)
        finally:
            os.close(program)
    finally:
        os.close(cgroup)


def _may_filter() -> bool:
    """Tell whether the kernel lets the caller load a program, as bpf(2) says."""
    first = os.stat("/proc/self/ns/user").st_ino == _FIRST_USER_NAMESPACE
    return first and bool(capget().effective >> CAP_SYS_ADMIN & 1)


def _limit_hint(write: Write, number: int | None) -> str | None:
    if number == errno.ENOENT:
        return f"this kernel has no {write.file} in the cgroup"
    if number == errno.EBUSY and write.controller == "memory":
        return "more memory is in use than the new limit"
    if number == errno.EACCES and write.controller == "cpuset":
        return "the parent cgroup does not have these processors or nodes"
    return None
