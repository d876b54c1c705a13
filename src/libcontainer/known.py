# SPDX-License-Identifier: Apache-2.0
"""A container that is there: how it is seen, measured and held to its limits."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from attrs import evolve

from libcontainer.cgroups.freezer import FREEZE_SECONDS
from libcontainer.cgroups.group import Group
from libcontainer.config import Config
from libcontainer.errors import (
    ConfigError,
    HelperError,
    StateError,
    StateFileError,
    UnsupportedError,
)
from libcontainer.handle import ProcessHandle
from libcontainer.host.children import has_ended
from libcontainer.host.processref import ProcessRef
from libcontainer.host.store import Folder, Store
from libcontainer.keptconfig import KeptConfig
from libcontainer.plan.kinds import shares_pids
from libcontainer.shared import Shared
from libcontainer.state import NOTIFY_LABEL, State, oci_state
from libcontainer.status import Status, require

if TYPE_CHECKING:
    from libcontainer.cgroups.events import CgroupEvents
    from libcontainer.cgroups.reader import StatsReader
    from libcontainer.cgroups.stats import Stats
    from libcontainer.cgroups.watch import Wanted
    from libcontainer.config.rdt import IntelRdt
    from libcontainer.host.rdt import RdtStats
    from libcontainer.launcher import Launcher
    from libcontainer.network.stats import InterfaceStats
    from libcontainer.process import Process
    from libcontainer.usage import Usage

    Parts = Config | KeptConfig

LOCK_SECONDS = 30.0


class KnownContainer:
    """What `Container` tells of itself, and its cgroup; see there."""

    def __init__(
        self, store: Store, shared: Shared, container_id: str, config: Parts
    ) -> None:
        self.id = container_id
        # Of one that was found again no more is made than somebody asks for.
        self._parts = config
        self._store = store
        self._shared = shared
        self._init: ProcessHandle | None = None
        self._process: Process | None = None
        self._user = os.getpid()

    def __repr__(self) -> str:
        init = self._init
        if init is None:
            return f"<Container {self.id!r}>"
        # What was seen last: the kernel is not asked.
        return f"<Container {self.id!r}, init {init.host_pid} {init.shown_state}>"

    @property
    def config(self) -> Config:
        """What it is.

        Raises:
            StateFileError: what its folder has of it cannot be used.
        """
        if not isinstance(self._parts, Config):
            self._parts = self._parts.whole()
        return self._parts

    @property
    def _joined(self) -> list[ProcessHandle]:
        """Handles of the processes that joined it, whichever object ran them."""
        return self._shared.joined(self.id)

    @property
    def _launcher(self) -> Launcher:
        return self._shared.launcher

    def _shares_pids(self) -> bool:
        """Tell whether processes may outlive init."""
        try:
            return shares_pids(self._parts)
        except StateFileError:
            # What cannot be read must not keep anything alive, or from being deleted.
            return True

    # -- looking

    @property
    def path(self) -> str:
        """Its state folder, a host path."""
        return f"{self._store.root}/{self.id}"

    def status(self) -> Status:
        """Return its state, as the system has it now.

        Raises:
            ContainerNotFoundError: it has been deleted.
        """
        folder = self._store.open(self.id)
        try:
            return self._status(folder, folder.read())
        finally:
            folder.close()

    def state(self) -> State:
        """Return the content of its ``state.json``, with the status of now.

        Raises:
            ContainerNotFoundError: it has been deleted.
        """
        folder = self._store.open(self.id)
        try:
            state = folder.read()
            return evolve(state, status=self._status(folder, state))
        finally:
            folder.close()

    def oci_state(self) -> dict[str, Any]:
        """Return its state as hooks are told it.

        The keys are those of the OCI runtime specification, *State*; ``bundle``
        is its state folder, ``annotations`` are its labels, and ``pid`` is
        there only as long as init lives.

        Raises:
            ContainerNotFoundError: it has been deleted.
        """
        return describe(self, self.state())

    def is_orphan(self) -> bool:
        """Tell whether it is bound to the program that made it, and that has ended.

        Raises:
            ContainerNotFoundError: it has been deleted.
        """
        state = self.state()
        if not state.bound:
            return False
        with ProcessRef.open(state.creator) as maker:
            return maker is None or has_ended(maker.pidfd)

    # -- its cgroup

    def pause(self, timeout: float = FREEZE_SECONDS) -> None:
        """Freeze every process of the container.

        Returns when the kernel says that all have stopped.

        Raises:
            StateError: it is not ``running``.
            CgroupError: it took longer than *timeout* seconds; all go on again.
            UnsupportedError: it has no cgroup, or no freezer.
        """
        with self._locked_group("pause") as group:
            group.freeze(timeout)

    def resume(self, timeout: float = FREEZE_SECONDS) -> None:
        """Thaw every process of the container.

        Raises:
            StateError: it is not ``paused``.
            CgroupError: the kernel did not confirm it within *timeout* seconds.
        """
        with self._locked_group("resume") as group:
            group.thaw(timeout)

    def processes(self) -> list[int]:
        """Return the host pids of its processes, sub-cgroups included.

        The list is of the past unless the container is paused.

        Raises:
            UnsupportedError: it has no cgroup.
        """
        return self._group_of(self.state()).pids()

    def stats(self) -> Stats:
        """Measure the container; until it is deleted, also after its end.

        The counters of its links are there as long as init lives, in a network
        namespace of its own.

        Raises:
            UnsupportedError: it has no cgroup.
            StateError: nothing has run in it yet.
            CgroupError: somebody has removed its cgroup.
        """
        # Loaded here: a launch needs none of it.
        from libcontainer.measure import measure  # noqa: PLC0415

        state = self._measurable()
        self._group_of(state)
        return measure(state)

    def stats_reader(self) -> StatsReader:
        """Return what measures its cgroup again and again at the least cost.

        It has no counters of links: see `network_stats`.

        Raises:
            UnsupportedError, StateError: as for `stats`.
        """
        from libcontainer.cgroups.reader import StatsReader  # noqa: PLC0415

        return StatsReader(self._group_of(self._measurable()))

    def events(self, *wanted: Wanted) -> CgroupEvents:
        """Return what happens to its cgroup from now on.

        ``for event in container.events("oom")``, ``async for``, or a callback; see
        `EventStream`. It ends when the container is deleted.

        Args:
            wanted: words of `EventKind` (``oom``, ``memory``, ``populated``,
                ``frozen``), `PressureTrigger` and `MemoryLevel`; nothing is all of
                the words that its cgroup can tell of.

        Raises:
            ConfigError: *wanted* is wrong.
            UnsupportedError: it has no cgroup, or not one that tells of that.
            StateError: nothing has run in it yet.
        """
        from libcontainer.cgroups.events import CgroupEvents  # noqa: PLC0415

        return CgroupEvents(self._group_of(self._measurable()), wanted)

    def usage(self, wall_seconds: float | None = None) -> Usage:
        """Return what it has used so far, in a few figures.

        Args:
            wall_seconds: how long it has been running; None is from the start of
                its init process until now.

        Raises:
            StateError: nothing has run in it yet.
        """
        from libcontainer.usage import read_usage, seconds_since  # noqa: PLC0415

        state = self._measurable()
        if wall_seconds is None and state.init is not None:
            wall_seconds = seconds_since(state.init.start_time)
        return read_usage(group_of(state), wall_seconds or 0.0)

    def rdt_stats(self) -> RdtStats:
        """Measure its use of the last cache and of the memory bus.

        With `IntelRdt.enable_monitoring` of the container alone, else of its whole
        class of service.

        Raises:
            UnsupportedError: it has no `Config.intel_rdt`, or resctrl is not mounted.
        """
        rdt = self._rdt("rdt_stats")
        return self._launcher.resctrl().stats(rdt, self.id)

    def update_rdt(self, rdt: IntelRdt) -> None:
        """Change the schema of its class of service; what is not named stays.

        Every container of the class is changed with it. `config` keeps the old one.

        Args:
            rdt: the lines; *clos_id* must be that of the container.

        Raises:
            ConfigError: *rdt* is wrong, or of another class.
            StepError: the kernel refused a line; those before it hold.
            UnsupportedError: it has no `Config.intel_rdt`, or resctrl is not mounted.
        """
        from libcontainer.validate.rdt import validate_update  # noqa: PLC0415 - rare

        problems = validate_update(self._rdt("update_rdt"), rdt)
        if problems:
            raise ConfigError(problems)
        self._launcher.resctrl().update(rdt, self.id)

    def _rdt(self, verb: str) -> IntelRdt:
        if self.config.intel_rdt is None:
            raise UnsupportedError(verb, "a container with Config.intel_rdt")
        return self.config.intel_rdt

    def network_stats(self) -> dict[str, InterfaceStats]:
        """Return the counters of each of its links, by name, as it sees them.

        Raises:
            StateError: there is no live init process.
        """
        from libcontainer.network.stats import read_interface_stats  # noqa: PLC0415

        state = self.state()
        require(self.id, state.status, "stats")
        with self._live_init(state, "stats") as init:
            return read_interface_stats(init.host_pid)

    def __reduce__(self) -> str:
        message = "a container cannot be pickled: pass its id, and use Factory.load"
        raise TypeError(message)

    # -- parts

    def _measurable(self) -> State:
        """Return its state, if there has been anything to measure.

        Whether it runs, or is paused, makes no difference here and costs to find out.
        """
        folder = self._store.open(self.id)
        try:
            state = folder.read()
        finally:
            folder.close()
        require(self.id, state.status, "stats")
        return state

    def _status(self, folder: Folder, state: State) -> Status:
        if state.init is None:
            return Status.CREATING
        own = self._init
        if own is not None and own.record == state.init and own.is_own:
            if own.has_ended():
                return Status.STOPPED
        else:
            with ProcessRef.open(state.init) as init:
                if init is None or has_ended(init.pidfd):
                    return Status.STOPPED
        if state.status is Status.CREATING:
            return Status.CREATING
        group = group_of(state)
        if group is not None and group.is_frozen():
            return Status.PAUSED
        return Status.CREATED if folder.has_gate() else Status.RUNNING

    def _has_reaped(self, state: State) -> bool:
        """Tell whether this object has seen the end of the init of *state*."""
        own = self._init
        return own is not None and own.is_reaped and own.record == state.init

    def _own_pidfd(self, state: State) -> int:
        """Return a new pidfd of the init of *state* if this object has started it."""
        own = self._init
        if own is None or own.record != state.init or not own.is_own:
            return -1
        return own.duplicate()

    @contextlib.contextmanager
    def _locked_group(self, verb: str) -> Iterator[Group]:
        with self._store.open(self.id).locked(timeout=LOCK_SECONDS) as folder:
            state = folder.read()
            require(self.id, self._status(folder, state), verb)
            yield self._group_of(state)
            # Whoever follows the factory's events looks again.
            os.utime(folder.fd)

    def _group_of(self, state: State) -> Group:
        group = group_of(state)
        if group is None:
            need = "a cgroup: Factory(cgroups='cgroupfs'), as root or delegated"
            raise UnsupportedError(f"container {self.id!r}", need)
        return group

    @contextlib.contextmanager
    def _live(self, verb: str) -> Iterator[ProcessRef]:
        with self._store.open(self.id).locked(timeout=LOCK_SECONDS) as folder:
            state = folder.read()
            require(self.id, self._status(folder, state), verb)
            with ProcessRef.open(state.init) as init:
                if init is None:
                    raise StateError(self.id, Status.STOPPED.value, verb)
                yield init

    @contextlib.contextmanager
    def _live_init(self, state: State, verb: str) -> Iterator[ProcessRef]:
        """Open init; what fails because it ends meanwhile is a `StateError`."""
        with ProcessRef.open(state.init, self._own_pidfd(state)) as init:
            if init is None:
                raise StateError(self.id, Status.STOPPED.value, verb)
            try:
                yield init
            except (OSError, HelperError) as error:
                # What it was that failed then depends on the moment.
                if init.is_ending():
                    raise StateError(self.id, Status.STOPPED.value, verb) from error
                raise


def parts_of(container: KnownContainer) -> Parts:
    """Return what is quick to ask of a container's configuration."""
    return container._parts  # noqa: SLF001 - of one module


def describe(container: KnownContainer, state: State) -> dict[str, Any]:
    """Return a state of a container as `Container.oci_state` does."""
    alive = state.init is not None and state.status is not Status.STOPPED
    pid = state.init.host_pid if state.init is not None and alive else None
    labels = dict(parts_of(container).labels)
    status, path = state.status.value, container.path
    return oci_state(container.id, status, pid, bundle=path, annotations=labels)


def group_of(state: State) -> Group | None:
    """Return the cgroup of a container, or None if it has none."""
    return Group(state.cgroup, state.unit) if state.cgroup else None


def complete(config: Config, path: str) -> Config:
    """Return a configuration with the files that are kept in a state folder."""
    if any(name == NOTIFY_LABEL for name, _ in config.labels):
        from libcontainer.host.notify import with_folder  # noqa: PLC0415 - rare

        config = with_folder(config, path)
    if config.dns is None:
        return config
    from libcontainer.host.namefiles import with_name_files  # noqa: PLC0415 - rare

    return with_name_files(config, path)
