# SPDX-License-Identifier: Apache-2.0
"""Cgroups without a container: limits for any process, measures of any process."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, Self

from libcontainer.cgroups.freezer import FREEZE_SECONDS
from libcontainer.cgroups.group import Group
from libcontainer.cgroups.hierarchy import Hierarchies, Hierarchy, parse
from libcontainer.cgroups.limits import limits, update_limits
from libcontainer.cgroups.strategy import Cgroupfs
from libcontainer.config import Config, Resources
from libcontainer.errors import CgroupError, ConfigError, UnsupportedError
from libcontainer.validate import validate, validate_resources

if TYPE_CHECKING:
    from libcontainer.cgroups.events import CgroupEvents
    from libcontainer.cgroups.reader import StatsReader
    from libcontainer.cgroups.stats import Stats
    from libcontainer.cgroups.watch import Wanted


class Cgroup:
    """A cgroup in every hierarchy that is mounted, by one name.

    Made by `create`, found by `open` or `of`. Left as a context manager, one that was
    made here is deleted with all that runs in it; any other is left as it is.

    ``with Cgroup.create("job", Resources(memory="64M")) as group: group.add(pid)``

    Attributes:
        group: its directories, a `libcontainer.cgroups.group.Group`.
    """

    def __init__(self, group: Group, *, is_made: bool = False) -> None:
        self.group = group
        self._is_made = is_made

    def __repr__(self) -> str:
        path = next(iter(self.group.paths.values()), "")
        return f"<Cgroup {path!r}>"

    @classmethod
    def create(cls, path: str, resources: Resources | None = None) -> Self:
        """Make a cgroup with limits; nothing is in it yet.

        Args:
            path: its name, with those of parents before it: below the caller's own
                cgroup, or with a ``/`` first from the top. Parents that are not there
                are made, and go with the last cgroup in them.
            resources: its limits. Rules for devices deny all that they do not allow,
                but for what every container has.

        Raises:
            ConfigError: *path* or *resources* are wrong.
            CgroupError: it is in use, or the kernel refused a limit; nothing is left.
            UnsupportedError: no cgroups are mounted, or not of the version that has
                one of the limits.
        """
        wanted = Resources() if resources is None else resources
        config = _config(path, wanted)
        paths = Cgroupfs().place("", config).paths
        if wanted.devices:
            writes = limits(config, paths)
        else:
            writes = update_limits(wanted, paths)
        group = Group(paths)
        group.make(writes)
        return cls(group, is_made=True)

    @classmethod
    def open(cls, path: str) -> Self:
        """Return a cgroup that is there, wherever it is.

        Args:
            path: as for `create`.

        Raises:
            ConfigError: *path* is wrong.
            CgroupError: there is none (``ENOENT``).
        """
        paths = Cgroupfs().place("", _config(path, Resources())).paths
        there = {name: found for name, found in paths.items() if os.path.isdir(found)}
        if not there:
            raise CgroupError(errno.ENOENT, f"open the cgroup {path!r}")
        return cls(Group(there))

    @classmethod
    def of(cls, pid: int) -> Self:
        """Return the cgroup that a process is in, to be measured and followed.

        Args:
            pid: in the caller's pid namespace.

        Raises:
            ProcessLookupError: there is no such process.
        """
        return cls(Group(_paths(_hierarchies(pid))))

    # -- what is in it

    def add(self, pid: int) -> None:
        """Put a process, with all its threads, into the cgroup.

        What it starts from now on is in it too; what it has started is not.

        Args:
            pid: in the caller's pid namespace.

        Raises:
            ProcessLookupError: there is no such process.
            CgroupError: the kernel refuses it; it is where it was.
        """
        before = _paths(_hierarchies(pid))
        done: list[str] = []
        try:
            for name, path in self.group.paths.items():
                _enter(path, pid)
                done.append(name)
        except OSError as error:
            for name in done:
                with contextlib.suppress(OSError):
                    _enter(before[name], pid)
            if error.errno == errno.ESRCH:
                message = f"there is no process {pid}"
                raise ProcessLookupError(errno.ESRCH, message) from error
            number = error.errno or errno.EIO
            raise CgroupError(number, f"put process {pid} into {self!r}") from error

    def pids(self) -> list[int]:
        """Return the pids of its processes, sub-cgroups included.

        Raises:
            CgroupError: it has been removed.
        """
        if not self.group.exists():
            raise CgroupError(errno.ENOENT, f"list the processes of {self!r}")
        return self.group.pids()

    def kill(self) -> None:
        """Send SIGKILL to every process of it, those born meanwhile too."""
        self.group.kill()

    # -- what it may use

    def update(self, resources: Resources) -> None:
        """Change limits, all or none; what is None stays as it is.

        Raises:
            ConfigError, CgroupError: as for `Container.update`.
            UnsupportedError: a limit that is not of this version, or device rules.
        """
        if problems := validate_resources(resources):
            raise ConfigError(problems)
        if resources.devices:
            # Those that hold are not known here, and v2 has to state them all.
            need = "another cgroup with those that are to hold"
            raise UnsupportedError("an update of device rules", need)
        before = self.group.read(update_limits(resources, self.group.paths))
        now = {write.file: write.value for write in before}
        try:
            self.group.write(update_limits(resources, self.group.paths, now))
        except BaseException:
            self.group.restore(before)
            raise

    def freeze(self, timeout: float = FREEZE_SECONDS) -> None:
        """Stop every process; return when the kernel says that all have.

        Raises:
            CgroupError: it took longer than *timeout* seconds; all go on again.
        """
        self.group.freeze(timeout)

    def thaw(self, timeout: float = FREEZE_SECONDS) -> None:
        """Let every process go on.

        Raises:
            CgroupError: the kernel did not confirm it within *timeout* seconds.
        """
        self.group.thaw(timeout)

    @property
    def is_frozen(self) -> bool:
        """Whether the kernel has stopped every process of it."""
        return self.group.is_frozen()

    # -- what it has used

    def stats(self) -> Stats:
        """Measure it once.

        Raises:
            CgroupError: it has been removed.
        """
        from libcontainer.cgroups.reader import read_stats  # noqa: PLC0415

        return read_stats(self.group)

    def stats_reader(self) -> StatsReader:
        """Return what measures it again and again, through files that stay open."""
        from libcontainer.cgroups.reader import StatsReader  # noqa: PLC0415

        return StatsReader(self.group)

    def events(self, *wanted: Wanted) -> CgroupEvents:
        """Return what happens to it from now on; as of `Container.events`."""
        from libcontainer.cgroups.events import CgroupEvents  # noqa: PLC0415

        return CgroupEvents(self.group, wanted)

    # -- its end

    def delete(self, *, force: bool = False) -> None:
        """Remove it, sub-cgroups first; what is gone is passed over.

        Args:
            force: whether to kill what runs in it.

        Raises:
            CgroupError: processes are in it (``EBUSY``), and *force* is not set.
        """
        if force and self.group.exists():
            self.group.kill()
            self.group.remove()
        else:
            self.group.remove(timeout=0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_made:
            self.delete(force=True)


def _config(path: str, resources: Resources) -> Config:
    config = Config(cgroups_path=path, resources=resources)
    problems = [
        problem
        for problem in validate(config)
        if problem.path.startswith(("cgroups_path", "resources"))
    ]
    if problems:
        raise ConfigError(problems)
    return config


def _hierarchies(pid: int) -> Hierarchies:
    with open("/proc/self/mountinfo", "rb") as file:
        mounts = os.fsdecode(file.read())
    try:
        with open(f"/proc/{pid}/cgroup", "rb") as file:
            return parse(mounts, os.fsdecode(file.read()))
    except (FileNotFoundError, ProcessLookupError) as error:
        message = f"there is no process {pid}"
        raise ProcessLookupError(errno.ESRCH, message) from error


def _paths(found: Hierarchies) -> dict[str, str]:
    unified = () if found.unified is None else (found.unified,)
    return {h.name: _directory(h) for h in (*found.v1, *unified)}


def _directory(hierarchy: Hierarchy) -> str:
    return f"{hierarchy.mount_point}{hierarchy.own}".rstrip("/")


def _enter(path: str, pid: int) -> None:
    flags = os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(f"{path}/cgroup.procs", flags)
    try:
        os.write(fd, str(pid).encode())
    finally:
        os.close(fd)
